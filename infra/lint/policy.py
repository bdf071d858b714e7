"""Holds a template against the rules beside this file: policy.py TEMPLATE..."""

import json
import pathlib
import re
import sys

from cfn_guard_rs.cfn_guard_rs import run_checks_rs
from cfnlint.decode.cfn_yaml import load

RULES = pathlib.Path(__file__).with_name("rules.guard")


def status(template, rule):
    """PASS, FAIL, or SKIP where there is nothing that the rule is about; with the report."""
    report = run_checks_rs(template, rule, False)
    try:
        return json.loads(report)["status"], report
    except json.JSONDecodeError:
        # Of a long report the library gives only the end, and only failures have long ones.
        return "FAIL", report


def main(paths):
    # One by one, so that no report gets long without a reason.
    head, *rules = re.split(r"(?m)^(?=rule )", RULES.read_text())
    failures = 0
    for path in paths:
        template = json.dumps(load(path))
        for rule in rules:
            name = rule.split()[1]
            found, report = status(template, head + rule)
            if found != "PASS":
                failures += 1
                where = sorted(set(re.findall(r"/Resources/(\w+)", report)))
                print(f"{path}: {name}: {found} {', '.join(where)}")
    return failures


sys.exit(bool(main(sys.argv[1:])))
