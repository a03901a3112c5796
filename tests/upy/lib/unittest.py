"""The part of `unittest` that the portable tests use, for MicroPython (which has none).

Same names and meaning as CPython's for what is here, nothing more: a test that needs another assertion does not
belong in tests/unit/. `run(modules)` returns the three counts; `main()` in a test file is left to the runner.
"""

import sys


class SkipTest(Exception):
    """Raised inside a test: it does not apply here; the message says why."""


class _Raises:
    """Context manager of assertRaises; `.exception` is what was raised."""

    def __init__(self, expected):
        self.expected = expected
        self.exception = None

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            raise AssertionError(f"{self.expected!r} not raised")
        if isinstance(value, self.expected):
            self.exception = value
            return True
        return False


def _explain(message, text):
    return f"{text} : {message}" if message else text


class TestCase:
    def setUp(self):
        pass

    def tearDown(self):
        pass

    def fail(self, msg=None):
        raise AssertionError(msg or "failed")

    def skipTest(self, reason):
        raise SkipTest(reason)

    def assertEqual(self, first, second, msg=None):
        if not first == second:
            raise AssertionError(_explain(msg, f"{first!r} != {second!r}"))

    def assertNotEqual(self, first, second, msg=None):
        if not first != second:
            raise AssertionError(_explain(msg, f"{first!r} == {second!r}"))

    def assertTrue(self, value, msg=None):
        if not value:
            raise AssertionError(_explain(msg, f"{value!r} is not true"))

    def assertFalse(self, value, msg=None):
        if value:
            raise AssertionError(_explain(msg, f"{value!r} is not false"))

    def assertIs(self, first, second, msg=None):
        if first is not second:
            raise AssertionError(_explain(msg, f"{first!r} is not {second!r}"))

    def assertIsNone(self, value, msg=None):
        if value is not None:
            raise AssertionError(_explain(msg, f"{value!r} is not None"))

    def assertIsNotNone(self, value, msg=None):
        if value is None:
            raise AssertionError(_explain(msg, "unexpectedly None"))

    def assertIn(self, member, container, msg=None):
        if member not in container:
            raise AssertionError(_explain(msg, f"{member!r} not found in {container!r}"))

    def assertNotIn(self, member, container, msg=None):
        if member in container:
            raise AssertionError(_explain(msg, f"{member!r} found in {container!r}"))

    def assertIsInstance(self, value, kind, msg=None):
        if not isinstance(value, kind):
            raise AssertionError(_explain(msg, f"{value!r} is not an instance of {kind!r}"))

    def assertGreater(self, first, second, msg=None):
        if not first > second:
            raise AssertionError(_explain(msg, f"{first!r} not greater than {second!r}"))

    def assertGreaterEqual(self, first, second, msg=None):
        if not first >= second:
            raise AssertionError(_explain(msg, f"{first!r} less than {second!r}"))

    def assertLess(self, first, second, msg=None):
        if not first < second:
            raise AssertionError(_explain(msg, f"{first!r} not less than {second!r}"))

    def assertLessEqual(self, first, second, msg=None):
        if not first <= second:
            raise AssertionError(_explain(msg, f"{first!r} greater than {second!r}"))

    def assertRaises(self, expected, function=None, *arguments):
        context = _Raises(expected)
        if function is None:
            return context
        with context:
            function(*arguments)
        return None


def skip(reason):
    def decorate(test):
        if isinstance(test, type):
            test.skip_reason = reason
            return test

        def skipped(self, *arguments):
            raise SkipTest(reason)

        return skipped

    return decorate


def _as_it_is(test):
    return test


def skipIf(condition, reason):
    return skip(reason) if condition else _as_it_is


def skipUnless(condition, reason):
    return _as_it_is if condition else skip(reason)


def _run_test(case_class, name, counts):
    """One test with its own instance, as CPython does. `counts` is [passed, failed, skipped]."""
    label = f"{case_class.__name__}.{name}"
    reason = getattr(case_class, "skip_reason", None)
    if reason is not None:
        counts[2] += 1
        print("skip", label, ":", reason)
        return
    case = case_class()
    outcome = 0
    try:
        case.setUp()
        try:
            getattr(case, name)()
        finally:
            case.tearDown()
    except SkipTest as skipped:
        outcome = 2
        print("skip", label, ":", skipped)
    except Exception as error:
        outcome = 1
        print("FAIL", label)
        sys.print_exception(error)
    counts[outcome] += 1


def run(modules):
    """Run every test of every TestCase class in `modules`; returns (passed, failed, skipped)."""
    counts = [0, 0, 0]
    for module in modules:
        for attribute in sorted(dir(module)):
            value = getattr(module, attribute)
            if isinstance(value, type) and issubclass(value, TestCase) and value is not TestCase:
                for name in sorted(dir(value)):
                    if name.startswith("test"):
                        _run_test(value, name, counts)
    return tuple(counts)


def main(*arguments):
    """Does nothing: a file's own `unittest.main()` is not how tests are started here."""
