#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Whether OpenSC caches files on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stalecard_config
short_description: Switch OpenSC's file cache off or on
description:
  - Makes C(use_file_caching) in C(opensc.conf) effective, by the smallest edit, for every program or for one. The file
    is replaced whole, and a backup is kept.
  - It calls C(stalecard config disable-cache) or C(stalecard config enable-cache), and decides nothing itself.
options:
  caching:
    description:
      - What OpenSC may keep. C(no) is off in every version of OpenSC.
      - C(public) is everything but objects flagged private, known from OpenSC 0.23 on; C(yes) is private objects too,
        unprotected. Both are refused, and the task fails, while stale entries of the user of the task would come back
        to life.
    type: str
    choices: ['no', 'public', 'yes']
    required: true
  program:
    description:
      - Only for the program with this application name, such as C(pkcs15-tool). C(opensc-pkcs11) is any application
        that loads the module.
    type: str
  exe:
    description: Only for the program with this executable. Known from OpenSC 0.24 on.
    type: path
  file:
    description: Edit this file instead of the one that OpenSC reads.
    type: path
  guarded:
    description: Also edit a file that belongs to another user.
    type: bool
    default: false
  force:
    description: Switch caching on even if stale entries come back to life.
    type: bool
    default: false
extends_documentation_fragment:
  - stalecard.opensc.program
attributes:
  check_mode:
    description: Says what would be changed, and writes nothing.
    support: full
  diff_mode:
    description: Shows the edit.
    support: full
seealso:
  - module: stalecard.opensc.stalecard_cache
"""

EXAMPLES = r"""
- name: No program caches files of smart cards
  stalecard.opensc.stalecard_config:
    caching: 'no'
  become: true

- name: Only the command line tool may
  stalecard.opensc.stalecard_config:
    caching: public
    program: pkcs15-tool
  become: true
"""

RETURN = r"""
edit:
  description: The edit, what it means for the programs concerned, and notes, as C(stalecard config) says it.
  returned: when the program has answered
  type: dict
  sample:
    file: /etc/opensc/opensc.conf
    changes: [{at: '3:22', old: 'yes', new: 'no'}]
    programs: [{program: pkcs15-tool, before: on (yes), after: 'off'}]
backup_file:
  description: The copy of the old file.
  returned: when the file was changed and there was one before
  type: str
  sample: /etc/opensc/opensc.conf.stalecard-20261125T040708Z-2
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stalecard.opensc.plugins.module_utils.stalecard import PROGRAM, Stalecard, message, options


def main():
    module = AnsibleModule(
        argument_spec=dict(
            PROGRAM,
            caching=dict(type="str", choices=["no", "public", "yes"], required=True),
            program=dict(type="str"),
            exe=dict(type="path"),
            file=dict(type="path"),
            guarded=dict(type="bool", default=False),
            force=dict(type="bool", default=False),
        ),
        mutually_exclusive=[("program", "exe")],
        supports_check_mode=True,
    )
    params = module.params
    if params["caching"] == "no":
        words = ["disable-cache"]
    else:
        words = ["enable-cache", "--value", params["caching"]] + options(params, "force")
    words += options(dict(params, app=params["program"]), "app", "exe", "file", "guarded")
    if module.check_mode:
        words.append("--dry-run")

    code, document, complaint = Stalecard(module).run("config", *(words + ["--diff"]))
    # Where the file could not even be looked at, the document says why and no more.
    edit = document.get("edit")
    if edit is None:
        module.fail_json(msg=complaint or message(document), changed=False)
    result = dict(changed=document["changed"], edit=edit)
    if edit["backup"] is not None:
        result["backup_file"] = edit["backup"]
    if document["changed"]:
        result["diff"] = dict(prepared=edit["diff"])
    if code != 0 or edit["refused"]:
        lines = ["%(directory)s/%(name)s would come back to life: %(why)s" % entry for entry in edit["revived"]]
        module.fail_json(msg="\n".join([message(document, complaint)] + lines).strip(), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
