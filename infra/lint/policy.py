"""Holds a template against the rules beside this file: policy.py TEMPLATE..."""

import pathlib
import sys

import cfn_guard_rs
from cfnlint.decode.cfn_yaml import load

RULES = pathlib.Path(__file__).with_name("rules.guard")


def failed(path):
    """The names of the rules that it breaks, each with where."""
    report = cfn_guard_rs.run_checks(load(path), RULES.read_text())
    if not report.compliant and not report.not_compliant:
        sys.exit(f"{path}: no rule applies to it")
    for rule in report.not_compliant:
        yield rule.rule.name if hasattr(rule, "rule") else str(rule)


broken = [(path, rule) for path in sys.argv[1:] for rule in failed(path)]
for path, rule in broken:
    print(f"{path}: {rule}")
sys.exit(bool(broken))
