#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Adds up what Meson's JUnit files say, prints what failed and what was skipped and why, and ends with one line:

    N passed, N failed, N skipped

usage: count.py [--failed=TEXT ...] JUNIT.xml ...
--failed adds a failure that no test reports: a build, a sanitizer.
Exit status 1 when anything failed, or when nothing was run.
"""
import collections
import sys
import xml.etree.ElementTree as ET


def main():
    passed, failed, skipped = 0, [], collections.Counter()
    for path in sys.argv[1:]:
        if path.startswith("--failed="):
            failed.append(path.removeprefix("--failed="))
            continue
        try:
            root = ET.parse(path).getroot()
        except (OSError, ET.ParseError) as e:
            failed.append(f"{path}: {e}")
            continue
        for suite in root.iter("testsuite"):
            cases = list(suite.iter("testcase"))
            for case in cases:
                name = f"{suite.get('name')}: {case.get('name')}"
                if case.find("failure") is not None or case.find("error") is not None:
                    failed.append(name)
                elif case.find("skipped") is not None:
                    skipped[name] += 1
                else:
                    passed += 1
            # A program that crashed or was stopped has cases that never came.
            if int(suite.get("errors") or 0) and not any(c.find("error") is not None for c in cases):
                failed.append(f"{suite.get('name')}: ended before its end")
    for name in sorted(skipped):
        print(f"SKIP {name}")
    for name in failed:
        print(f"FAILED {name}")
    print(f"{passed} passed, {len(failed)} failed, {sum(skipped.values())} skipped")
    sys.exit(1 if failed or not passed else 0)


main()
