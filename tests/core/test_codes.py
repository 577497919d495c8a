"""One table of error codes, and the exit codes that people script against."""

from concordiad.core import codes


def test_numbers_and_names_are_unique() -> None:
    """No two rows share a number or a name, so that a client can tell every error by either."""
    assert len({code.number for code in codes.CODES}) == len(codes.CODES)
    assert len({code.name for code in codes.CODES}) == len(codes.CODES)


def test_every_code_is_in_the_table() -> None:
    """Whatever is defined as a code can be found in the table."""
    assert set(codes.CODES) == {value for value in vars(codes).values() if isinstance(value, codes.Code)}


def test_numbers_are_those_of_json_rpc() -> None:
    """JSON-RPC 2.0's own errors have its numbers, ours stand in the range that it leaves to servers."""
    reserved = {
        "parse_error": -32700,
        "invalid_request": -32600,
        "unknown_method": -32601,
        "invalid_params": -32602,
        "internal_error": -32603,
    }
    assert {code.name: code.number for code in codes.CODES if code.name in reserved} == reserved
    ours = [code.number for code in codes.CODES if code.name not in reserved]
    assert all(-32099 <= number <= -32000 for number in ours)


def test_exit_codes_are_those_of_the_interface() -> None:
    """The command line ends with the statuses that its documentation promises."""
    assert {
        name: value for name, value in vars(codes).items() if name.startswith("EXIT_") and name != "EXIT_CODES"
    } == {
        "EXIT_DONE": 0,
        "EXIT_FAILURE": 1,
        "EXIT_USAGE": 2,
        "EXIT_NOT_COMPLETED": 3,
        "EXIT_NOT_ALLOWED": 4,
        "EXIT_NO_DAEMON": 69,
        "EXIT_NOT_NOW": 75,
        "EXIT_CONFIG": 78,
        "EXIT_TIMED_OUT": 124,
        "EXIT_CTRL_C": 130,
    }


def test_errors_lead_to_exit_codes() -> None:
    """A refusal that may pass, one that will not, and a caller's own mistake can be told apart in a script."""
    by_name = {code.name: codes.EXIT_CODES[code.number] for code in codes.CODES}
    assert (by_name["not_now"], by_name["not_allowed"], by_name["invalid_params"]) == (75, 4, 2)
    others = set(by_name) - {"not_now", "not_allowed", "invalid_params"}
    assert {by_name[name] for name in others} == {codes.EXIT_FAILURE}
