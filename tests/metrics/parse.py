"""Reads pages of metrics with the parsers of Prometheus' own Python library, and compares what both formats say.

usage: parse.py PROMETHEUS_PAGE OPENMETRICS_PAGE

Needs prometheus_client (Debian: python3-prometheus-client). Leaves with 1 when a page is wrong, or when the two differ.
"""

import sys

from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser


def samples(families):
    """Every sample by its name and labels. A parser fails for what its format forbids; a sample that is there twice fails here."""
    found = {}
    for family in families:
        if not family.documentation:
            sys.exit(f"{family.name} has no documentation")
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            if key in found:
                sys.exit(f"{key} is there twice")
            found[key] = float(sample.value)
    return found


def read(path):
    with open(path, encoding="utf-8") as page:
        return page.read()


def main(prometheus_path, openmetrics_path):
    prometheus = samples(parser.text_string_to_metric_families(read(prometheus_path)))
    both = samples(openmetrics_parser.text_string_to_metric_families(read(openmetrics_path)))
    if prometheus.keys() != both.keys():
        sys.exit(f"only in one format: {sorted(prometheus.keys() ^ both.keys())}")
    if len(prometheus) < 100:
        sys.exit(f"only {len(prometheus)} samples")
    # What the process uses changes between two pages.
    for key, value in prometheus.items():
        if not key[0].startswith("process_") and both[key] != value:
            sys.exit(f"{key}: {value} and {both[key]}")
    print(f"{len(prometheus)} samples in both formats")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
