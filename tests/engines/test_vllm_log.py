"""Lines as vLLM 0.32.0 wrote them."""

from homecluster.engines.vllm_log import cause_of, phase_of

START = """\
(APIServer pid=2637) INFO 11-21 12:00:13 [api_utils.py:286] non-default args: {'host': '127.0.0.1'}
(EngineCore pid=2738) INFO 11-21 12:00:32 [core.py:133] Initializing a V1 LLM engine (v0.32.0) with config: model='/m'
(Worker pid=2778) INFO 11-21 12:00:40 [cpu_model_runner.py:68] Starting to load model /m...
(Worker pid=2778) INFO 11-21 12:00:42 [default_loader.py:501] Loading weights took 0.99 seconds
(EngineCore pid=2738) INFO 11-21 12:00:43 [kv_cache_utils.py:2327] CPU KV cache size: 29,056 tokens, Maximum concurrency
INFO:     Application startup complete.
INFO:     127.0.0.1:48304 - "GET /v1/models HTTP/1.1" 200 OK
"""

HEAD_SIZE = """\
(Worker pid=30054) ERROR 11-21 13:09:17 [multiproc_executor.py:1063] WorkerProc hit an exception.
(Worker pid=30054) ERROR 11-21 13:09:17 [multiproc_executor.py:1063] Traceback (most recent call last):
(Worker pid=30054) ERROR 11-21 13:09:17 [multiproc_executor.py:1063] RuntimeError: Unsupported CPU attention configuration: head_dim=16 isa=2 kv_cache_idx=0
(EngineCore pid=30042) ERROR 11-21 13:09:17 [core.py:1200] RuntimeError: Worker failed with error 'Unsupported CPU attention configuration', please check the stack trace above for the root cause
vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above) for the root cause.
"""

USAGE = """\
usage: api_server.py [-h] [--host HOST]
api_server.py: error: argument --dtype: invalid choice: 'bf17'
"""

WRAPPED = """\
(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
"""


def test_a_start_goes_through_its_phases_in_order() -> None:
    phases = [phase for line in START.splitlines() if (phase := phase_of(line))]
    assert phases == [
        "starting the engine",
        "loading weights",
        "preparing memory",
        "warming up",
        "waiting for the first token",
    ]


def test_the_process_that_met_the_trouble_is_quoted_not_its_echoes() -> None:
    assert cause_of(tuple(HEAD_SIZE.splitlines())) == (
        "RuntimeError: Unsupported CPU attention configuration: head_dim=16 isa=2 kv_cache_idx=0"
    )


def test_a_wrong_argument_is_quoted() -> None:
    assert cause_of(tuple(USAGE.splitlines())) == (
        "api_server.py: error: argument --dtype: invalid choice: 'bf17'"
    )


def test_an_echo_is_better_than_nothing() -> None:
    cause = cause_of(tuple(WRAPPED.splitlines()))
    assert cause is not None
    assert cause.startswith("RuntimeError: Engine core initialization failed")


def test_a_log_without_errors_has_no_cause() -> None:
    assert cause_of(tuple(START.splitlines())) is None
