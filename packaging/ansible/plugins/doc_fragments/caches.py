# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Whose caches."""

from __future__ import annotations


class ModuleDocFragment(object):

    DOCUMENTATION = r"""
options:
  all_users:
    description: Look at the caches of all users of the host, and at those that belong to no home.
    type: bool
    default: false
  user:
    description: Look at the caches of this user. Without it, at those of the user that the task runs as.
    type: str
  cache_dir:
    description: Look at these cache directories.
    type: list
    elements: path
    default: []
"""
