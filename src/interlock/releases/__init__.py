"""Releases: from a folder to one content-addressed id over everything that influences behaviour, and to the kernel's
program.

    tables.py, reading.py, spec.py   release.toml, with the line of every mistake     folder.py    the whole folder
    normalform.py, closure.py        what a piece of code is, and what it reaches      manifest.py  components, id, body
    program.py                       what the kernel runs
"""

from interlock.releases.folder import Loaded, load_effects, load_folder, survey_folder
from interlock.releases.manifest import Manifest, build_manifest
from interlock.releases.program import Release, build_program, check_folder, load_release
from interlock.releases.spec import AdvisorSpec, CellSpec, EffectSpec, ReleaseSpec

__all__ = [
    "AdvisorSpec",
    "CellSpec",
    "EffectSpec",
    "Loaded",
    "Manifest",
    "Release",
    "ReleaseSpec",
    "build_manifest",
    "build_program",
    "check_folder",
    "load_effects",
    "load_folder",
    "load_release",
    "survey_folder",
]
