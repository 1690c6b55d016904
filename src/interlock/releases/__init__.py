"""Releases: from a folder to one content-addressed id over everything that influences behaviour, and to the kernel's
program.

    tables.py, reading.py, spec.py   release.toml, with the line of every mistake     folder.py    the whole folder
    normalform.py, closure.py        what a piece of code is, and what it reaches      manifest.py  components, id, body
    impurity.py, scopes.py           what is refused, and which names are loaded      program.py   what the kernel runs
    succession.py                    whether the cases of the release before can be taken over
    golden.py                        what a release leaves in its folder to check the next one against
"""

from interlock.releases.folder import Loaded, load_effects, load_folder, survey_folder
from interlock.releases.manifest import Manifest, build_manifest
from interlock.releases.program import Release, build_program, check_folder, load_release
from interlock.releases.spec import AdvisorSpec, CellSpec, EffectSpec, ReleaseSpec
from interlock.releases.succession import succession_problems

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
    "succession_problems",
    "survey_folder",
]
