"""The hourly review: each part runs although the one before failed, and the failure is heard."""

from typing import Any

import pytest

from mlops import review, scores, tasks, trust


@pytest.mark.parametrize("breaks", [scores, trust, review])
def test_a_part_that_fails_stops_no_other(breaks: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []

    def job(module: Any) -> Any:
        def run(**_named: object) -> None:
            ran.append(module)
            if module is breaks:
                raise ZeroDivisionError

        return run

    for module, name in ((scores, "record"), (trust, "follow"), (review, "run")):
        monkeypatch.setattr(module, name, job(module))

    with pytest.raises(ExceptionGroup) as raised:
        tasks.review_experts()

    assert ran == [scores, trust, review]
    assert [type(each) for each in raised.value.exceptions] == [ZeroDivisionError]
