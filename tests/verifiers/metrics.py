"""Parses metrics from standard input with the Prometheus client for Python, and prints them as JSON."""

import json
import math
import sys

from prometheus_client.parser import text_string_to_metric_families

families = {}
for family in text_string_to_metric_families(sys.stdin.read()):
    assert family.name not in families, f"{family.name} is duplicated"
    assert family.documentation, f"{family.name} has no HELP"
    samples = []
    for sample in family.samples:
        assert math.isfinite(sample.value), sample
        samples.append({"name": sample.name, "labels": sample.labels, "value": sample.value})
    names = [(sample["name"], sorted(sample["labels"].items())) for sample in samples]
    assert len(names) == len(set(map(str, names))), f"{family.name} has a duplicate sample"
    if family.type == "histogram":
        # histogram_quantile needs ascending bounds and cumulative counts.
        for sample, following in zip(samples, samples[1:]):
            if sample["name"].endswith("_bucket") and following["name"].endswith("_bucket"):
                assert float(following["labels"]["le"]) > float(sample["labels"]["le"]), following
                assert following["value"] >= sample["value"], following
    families[family.name] = {"type": family.type, "samples": samples}
json.dump(families, sys.stdout)
