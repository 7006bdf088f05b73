"""What /readyz says of sources of vectors."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from simgrant.telemetry.metrics import Metrics
from simgrant.telemetry.sources import source_lines

STATES = ("okay", "away")


def test_each_source_is_a_line_with_its_state_time_and_results() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.show_source("hss.home", "okay", STATES)
    metrics.show_source("hlr.old", "away", STATES)
    metrics.show_source("local_auc", "okay", STATES)
    for seconds in (0.002, 0.004):
        metrics.count_vectors("hss.home", "vector", seconds)
    metrics.count_vectors("hss.home", "timeout", 0.009)
    assert source_lines(metrics.registry) == (
        "hlr.old: away 1\nhss.home: okay 1; 5.0 ms; vector 2, timeout 1\n"
    )


def test_each_connection_is_a_line_with_its_state_time_and_results() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.show_source("hss.home", "okay", STATES)
    metrics.show_diameter_peer("dra1", "suspect", ("okay", "suspect"))
    metrics.count_diameter("dra1", "2001", 0.003)
    metrics.count_diameter("dra1", "late", 0.005)
    metrics.show_hlr("old", "closed", ("okay", "closed"))
    metrics.show_sbi("udm.home", 2)
    metrics.count_sbi("udm.home", "200", 0.001)
    metrics.count_sbi("nrf.home", "503", 0.001)
    assert source_lines(metrics.registry) == (
        "hss.home: okay 1\n"
        "diameter dra1: suspect 1; 4.0 ms; 2001 1, late 1\n"
        "gsup old: closed 1\n"
        "sbi nrf.home: 1.0 ms; 503 1\n"
        "sbi udm.home: instances 2; 1.0 ms; 200 1\n"
    )


def test_without_a_core_network_there_is_nothing_to_say() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.show_source("local_auc", "okay", STATES)
    metrics.count_vectors("local_auc", "vector", 0.001)
    assert source_lines(metrics.registry) == ""
