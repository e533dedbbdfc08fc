# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What all modules take."""

from __future__ import annotations


class ModuleDocFragment(object):

    DOCUMENTATION = r"""
options:
  executable:
    description: The program on the host, by its path or as it is found in C(PATH).
    type: path
    default: stalecard
requirements:
  - stalecard on the host, which the role stalecard.opensc.stalecard installs
author:
  - The authors of stalecard !UNKNOWN
"""
