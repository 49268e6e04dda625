"""Reads metrics from standard input as Prometheus' own client for Python does, and tells what it found as JSON."""

import json
import math
import sys

from prometheus_client.parser import text_string_to_metric_families

found = {}
for family in text_string_to_metric_families(sys.stdin.read()):
    assert family.name not in found, f"{family.name} is there twice"
    assert family.documentation, f"{family.name} has no HELP"
    samples = []
    for sample in family.samples:
        assert math.isfinite(sample.value), sample
        samples.append({"name": sample.name, "labels": sample.labels, "value": sample.value})
    names = [(sample["name"], sorted(sample["labels"].items())) for sample in samples]
    assert len(names) == len(set(map(str, names))), f"{family.name} has a sample twice"
    if family.type == "histogram":
        # As histogram_quantile needs them: in the order of their bounds, none smaller than the one before.
        for sample, after in zip(samples, samples[1:]):
            if sample["name"].endswith("_bucket") and after["name"].endswith("_bucket"):
                assert float(after["labels"]["le"]) > float(sample["labels"]["le"]), after
                assert after["value"] >= sample["value"], after
    found[family.name] = {"type": family.type, "samples": samples}
json.dump(found, sys.stdout)
