# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Calls the program and says what it said. What is known of caches and cards is in the program."""

from __future__ import annotations

import json

# What every module takes.
PROGRAM = dict(executable=dict(type="path", default="stalecard"))

# Whose caches.
WHOM = dict(
    all_users=dict(type="bool", default=False),
    user=dict(type="str"),
    cache_dir=dict(type="list", elements="path", default=[]),
)


def options(params, *names):
    """The options of the program that have these names here, as far as they are set."""
    words = []
    for name in names:
        value = params[name]
        option = "--" + name.replace("_", "-")
        if value is True:
            words.append(option)
        elif isinstance(value, list):
            words += ["%s=%s" % (option, one) for one in value]
        elif value not in (None, False):
            words.append("%s=%s" % (option, value))
    return words


class Stalecard:
    """The program on this host."""

    def __init__(self, module):
        self.module = module
        self.path = module.get_bin_path(module.params["executable"], required=True)

    def run(self, *words):
        """Runs a command: its exit code, its JSON document, and its complaint. Fails if there is no document."""
        command = [self.path] + list(words) + ["--format", "json"]
        code, out, err = self.module.run_command(command)
        try:
            document = json.loads(out)
        except ValueError:
            why = err.strip() or "this is not what stalecard prints: %r" % out[:200]
            self.module.fail_json(msg=why, cmd=command, rc=code)
        return code, document, err.strip()


def message(document, complaint=""):
    """What a person has to know of a command that did not end well."""
    lines = [complaint] if complaint else []
    for finding in document["findings"]:
        whose = " (user %s)" % finding["user"] if finding.get("user") else ""
        lines.append("%s: %s%s: %s" % (finding["severity"], finding["id"], whose, finding["summary"]))
        if finding["danger"]:
            lines.append(finding["danger"])
        lines += ["next: " + fix["command"] for fix in finding["fix"] if fix["command"]]
    for gap in document["coverage"]:
        if gap["asked_for"]:
            lines.append("not looked at: %s: %s" % (gap["what"], gap["why"]))
    return "\n".join(lines)
