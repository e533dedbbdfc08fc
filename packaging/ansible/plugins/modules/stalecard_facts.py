#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What is found on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stalecard_facts
short_description: Compare smart cards with what OpenSC shows of them
description:
  - Reads the cards and OpenSC's file caches, changes nothing, and returns what was found as facts.
  - It calls C(stalecard check), and decides nothing itself.
options:
  reader:
    description: Only the card in this reader, by its name or its number counted from 0.
    type: str
  serial:
    description: Only the card with this serial number.
    type: str
  offline:
    description: Do not open PC/SC, look at caches and configuration only.
    type: bool
    default: false
  against:
    description: Compare the tokens with their baselines too, a file or a directory on the host.
    type: path
  timeout:
    description: Give up, and fail, after so many seconds.
    type: int
  fail_on:
    description:
      - Fail if there is a finding of this severity or a worse one, or if what was asked for could not be read.
      - Without it, findings are facts like others.
    type: str
    choices: [critical, error, warning, info]
extends_documentation_fragment:
  - stalecard.opensc.program
  - stalecard.opensc.caches
attributes:
  check_mode:
    description: Writes nothing in any mode.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
  facts:
    description: Returns facts.
    support: full
seealso:
  - module: stalecard.opensc.stalecard_cache
"""

EXAMPLES = r"""
- name: Look at the caches of all users
  stalecard.opensc.stalecard_facts:
    all_users: true
  become: true

- name: Say which cards are where
  ansible.builtin.debug:
    msg: "{{ ansible_facts.stalecard.tokens | map(attribute='serial') | join(', ') }}"

- name: Stop here if OpenSC shows anything wrong
  stalecard.opensc.stalecard_facts:
    all_users: true
    fail_on: error
  become: true
"""

RETURN = r"""
ansible_facts:
  description: The facts.
  returned: always, except when the task fails
  type: dict
  contains:
    stalecard:
      description: The document of C(stalecard check --format json), schema C(stalecard/1).
      type: dict
      contains:
        exit_code:
          description: C(0) nothing wrong, C(1) findings at or above I(fail_on) or C(error), C(3) something could not be read.
          type: int
        tokens:
          description: The cards.
          type: list
          elements: dict
        programs:
          description: How programs cache.
          type: list
          elements: dict
        findings:
          description: What was found, worst first.
          type: list
          elements: dict
        coverage:
          description: What could not be looked at, and why.
          type: list
          elements: dict
findings:
  description: What was found, worst first.
  returned: when the task fails for it
  type: list
  elements: dict
coverage:
  description: What could not be looked at, and why.
  returned: when the task fails for it
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


def main():
    module = AnsibleModule(
        argument_spec=dict(
            PROGRAM,
            reader=dict(type="str"),
            serial=dict(type="str"),
            offline=dict(type="bool", default=False),
            against=dict(type="path"),
            timeout=dict(type="int"),
            fail_on=dict(type="str", choices=["critical", "error", "warning", "info"]),
            **WHOM
        ),
        supports_check_mode=True,
    )
    names = ("reader", "serial", "offline", "against", "timeout", "fail_on", "all_users", "user", "cache_dir")
    code, document, complaint = Stalecard(module).run("check", *options(module.params, *names))
    if code != 0 and module.params["fail_on"] is not None:
        module.fail_json(
            msg=message(document, complaint), findings=document["findings"], coverage=document["coverage"]
        )
    module.exit_json(ansible_facts=dict(stalecard=dict(document, exit_code=code)))


if __name__ == "__main__":
    main()
