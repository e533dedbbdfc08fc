#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The state of OpenSC's file caches on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stalecard_cache
short_description: Keep OpenSC's file caches in step with the cards
description:
  - Moves entries of OpenSC's file caches to the quarantine of stalecard, from where C(stalecard undo) takes them back.
  - It calls C(stalecard flush), and for I(state=fresh) C(stalecard check) after it, and decides nothing itself.
options:
  state:
    description:
      - C(fresh) takes away what is proven stale for the cards present, and leftovers of deleted keys. Afterwards a
        check must find nothing at or above I(fail_on); if it does, or if a card or a cache could not be read, the
        task fails and names it.
      - C(flushed) takes away all entries, or those of I(serial), stale or not. It needs no card. OpenSC fills a
        cache that is on again when a card is used next.
    type: str
    choices: [fresh, flushed]
    default: fresh
  serial:
    description: With I(state=flushed), only the entries of the card with this serial number.
    type: str
  reader:
    description: With I(state=fresh), only the card in this reader, by its name or its number counted from 0.
    type: str
  guarded:
    description: Also take away what belongs to other users. Being root is no consent.
    type: bool
    default: false
  unsafe:
    description: Also remove private data, which is not kept.
    type: bool
    default: false
  fail_on:
    description: With I(state=fresh), the least severity of a finding that makes the task fail.
    type: str
    choices: [critical, error, warning, info]
    default: error
extends_documentation_fragment:
  - stalecard.opensc.program
  - stalecard.opensc.caches
attributes:
  check_mode:
    description: Says what would be taken away, and writes nothing.
    support: full
  diff_mode:
    description: Shows the entries that are taken away.
    support: full
seealso:
  - module: stalecard.opensc.stalecard_config
notes:
  - Programs that run go on with what they have read. The finding C(process-holds-old-view) in I(findings) names them.
    It is an error until they are restarted, and so the task fails; the example restarts them all the same.
"""

EXAMPLES = r"""
- name: No stale key is shown to the CA
  stalecard.opensc.stalecard_cache:
    state: fresh
  become: true
  become_user: ca

- name: Nor to anybody else on this host
  stalecard.opensc.stalecard_cache:
    state: fresh
    all_users: true
    guarded: true
  become: true
  register: flushed
  failed_when: >-
    flushed.findings | rejectattr('id', 'equalto', 'process-holds-old-view')
    | selectattr('severity', 'in', ['critical', 'error']) | list

- name: Restart the signer, which holds the old view
  ansible.builtin.service:
    name: signer
    state: restarted
  when: flushed.findings | selectattr('id', 'equalto', 'process-holds-old-view') | list

- name: Forget a card before it is initialised again
  stalecard.opensc.stalecard_cache:
    state: flushed
    serial: DENK0200834
    all_users: true
    guarded: true
  become: true
"""

RETURN = r"""
operations:
  description: What was done, or would be, entry by entry, as C(stalecard flush --format json) says it.
  returned: when the program has answered
  type: list
  elements: dict
  sample:
    - changed: true
      operation: 20261125T040708Z-1
      steps:
        - action: quarantine
          directory: /home/ca/.cache/opensc
          name: DENK0200834_NODATE_E82B0601040181C31F0201_CE01
          outcome: moved
          reason: stale-public-key
findings:
  description: What is found afterwards, worst first. In check mode, what is found now.
  returned: when the program has answered
  type: list
  elements: dict
coverage:
  description: What could not be looked at, and why.
  returned: when the program has answered
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stalecard.opensc.plugins.module_utils.stalecard import (
    PROGRAM,
    WHOM,
    Stalecard,
    message,
    options,
)

GONE = ("moved", "removed", "already-gone")


def main():
    module = AnsibleModule(
        argument_spec=dict(
            PROGRAM,
            state=dict(type="str", choices=["fresh", "flushed"], default="fresh"),
            serial=dict(type="str"),
            reader=dict(type="str"),
            guarded=dict(type="bool", default=False),
            unsafe=dict(type="bool", default=False),
            fail_on=dict(type="str", choices=["critical", "error", "warning", "info"], default="error"),
            **WHOM
        ),
        supports_check_mode=True,
    )
    params = module.params
    fresh = params["state"] == "fresh"
    if params["serial" if fresh else "reader"] is not None:
        module.fail_json(msg="serial goes with state=flushed, reader with state=fresh")
    stalecard = Stalecard(module)
    whom = options(params, "all_users", "user", "cache_dir")
    what = options(params, "reader", "serial", "guarded", "unsafe")
    if not fresh and params["serial"] is None:
        what.append("--all")
    if module.check_mode:
        what.append("--dry-run")

    code, document, complaint = stalecard.run("flush", *(what + whom))
    result = dict(
        changed=document["changed"],
        operations=document.get("operations", []),
        findings=document["findings"],
        coverage=document["coverage"],
    )
    steps = [step for operation in result["operations"] for step in operation["steps"]]
    paths = ["%s/%s" % (step["directory"], step["name"]) for step in steps if step["outcome"] in GONE]
    if paths:
        result["diff"] = dict(before_header="OpenSC cache", before="\n".join(paths) + "\n", after="")
    left = [step for step in steps if step["outcome"] not in GONE]
    if code != 0 or left:
        lines = ["left: %(directory)s/%(name)s (%(reason)s): %(outcome)s" % step for step in left]
        module.fail_json(msg="\n".join([message(document, complaint)] + lines).strip(), **result)

    # A rehearsal that would change something cannot know what is found afterwards.
    if fresh and not (module.check_mode and document["changed"]):
        words = options(params, "reader", "fail_on")
        code, document, complaint = stalecard.run("check", *(words + whom))
        result.update(findings=document["findings"], coverage=document["coverage"])
        if code != 0:
            module.fail_json(msg=message(document, complaint), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
