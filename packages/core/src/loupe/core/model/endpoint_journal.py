"""What was asked of an endpoint and what it cost, row by row, so that no answer is paid for twice.

A row is written before each try (`sent`), and one when it ends: `answered` with the answer and its usage, or `fault`
with its kind. A process that is killed leaves tries without an end; what they cost is not known, and they are counted
as that. An answer that is in the journal is never asked for again.
"""

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from loupe.core.errors import DataError
from loupe.core.files import append_jsonl, read_jsonl
from loupe.core.model.endpoint_reply import EndpointReply


@dataclass(frozen=True, slots=True)
class Cost:
    """What requests came to. `sent` = `answered` + all `faults` + `unknown`.

    `requests` are different ones, `sent` all tries, `answered` those with an answer, whose tokens are counted as the
    server reports them. `retried` are tries beyond the first of a request that had no answer yet, `failed` requests
    without an answer so far, `refused` answers without text, `unknown` tries that were under way when a process was
    killed. A request that is asked anew although it has an answer is answered as often.
    """

    requests: int
    sent: int
    answered: int
    retried: int
    failed: int
    refused: int
    unknown: int
    prompt_tokens: int
    completion_tokens: int
    faults: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """Plain dict, ready for `json.dumps`."""
        return asdict(self)


class Journal:
    """Rows of one file, or of none: then everything is forgotten with the process. May be used by many threads."""

    def __init__(self, path: Path | None = None) -> None:
        """Takes up what the file holds. Raises DataError where it is no journal."""
        self._path, self._lock = path, Lock()
        self._replies: dict[str, EndpointReply] = {}
        self._answers: list[tuple[int, int, bool]] = []
        self._sent: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        for row in read_jsonl(path) if path is not None and path.is_file() else []:
            try:
                self._take(row)
            except (TypeError, KeyError, ValueError) as error:
                raise DataError(f"{path}: a row does not fit ({error}); choose another out folder") from error

    def find(self, request: str) -> EndpointReply | None:
        """The answer to a request, where there is one."""
        with self._lock:
            return self._replies.get(request)

    @property
    def has_answers(self) -> bool:
        """Whether any request was ever answered."""
        with self._lock:
            return bool(self._replies)

    def sent(self, request: str, key: str) -> None:
        """Note that a try begins."""
        self._write({"request": request, "event": "sent", "key": key})

    def fault(self, request: str, kind: str) -> None:
        """Note that a try came to nothing."""
        self._write({"request": request, "event": "fault", "kind": kind})

    def answered(self, request: str, reply: EndpointReply) -> None:
        """Keep an answer with its usage."""
        self._write({"request": request, "event": "answered", "reply": reply.to_json()})

    def cost(self) -> Cost:
        """All that was asked so far, by this process and by those before it."""
        with self._lock:
            sent, faults, answers = sum(self._sent.values()), dict(sorted(self._faults.items())), self._answers
            asked_anew = len(answers) - len(self._replies)
            return Cost(
                requests=len(self._sent),
                sent=sent,
                answered=len(answers),
                retried=sent - len(self._sent) - asked_anew,
                failed=len(self._sent.keys() - self._replies.keys()),
                refused=sum(refused for _, _, refused in answers),
                unknown=sent - len(answers) - sum(faults.values()),
                prompt_tokens=sum(tokens for tokens, _, _ in answers),
                completion_tokens=sum(tokens for _, tokens, _ in answers),
                faults=faults,
            )

    def _write(self, row: dict[str, Any]) -> None:
        with self._lock:
            if self._path is not None:
                append_jsonl(self._path, row)
            self._take(row)

    def _take(self, row: dict[str, Any]) -> None:
        request, event = row["request"], row["event"]
        if event == "answered":
            reply = EndpointReply.from_json(row["reply"])
            self._replies[request] = reply
            self._answers.append((reply.prompt_tokens, reply.completion_tokens, reply.refusal is not None))
        elif event == "fault":
            self._faults[row["kind"]] += 1
        elif event == "sent":
            self._sent[request] += 1
        else:
            raise ValueError(f"an unknown event {event!r}")
