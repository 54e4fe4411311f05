import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netprobe.probes.collective import parse
from netprobe.probes.process import Finished
from netprobe.probes.trouble import ProbeError
from netprobe.types import FailureKind


def done(stdout="", stderr=""):
    return Finished(code=0, stdout=stdout, stderr=stderr)


def test_the_last_line_is_the_result_whatever_torch_printed_before():
    line = json.dumps({"backend": "gloo", "curve": {"1024": [0.001, 0.002]}})
    found = parse(done(f"[Gloo] Rank 0 is connected to 1 peer ranks\n{line}\n"))
    assert found.backend == "gloo"
    assert found.curve == {1024: (0.001, 0.002)}


def test_a_python_without_torch_is_a_missing_tool():
    with pytest.raises(ProbeError) as caught:
        parse(done(stderr="ModuleNotFoundError: No module named 'torch'"))
    assert caught.value.kind is FailureKind.TOOL_MISSING


def test_a_crash_is_told_by_its_last_line():
    with pytest.raises(ProbeError) as caught:
        parse(done(stderr="Traceback\n  …\nRuntimeError: connection reset"))
    assert caught.value.kind is FailureKind.TOOL_FAILED
    assert "connection reset" in caught.value.detail


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["backend", "curve", "1024"]), inner, max_size=3)
        ),
    )
)
def test_no_output_crashes_the_parser(document):
    try:
        parse(done(json.dumps(document)))
    except ProbeError:
        return
