"""The forms in which other tools write predictions, each read into the same rows."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import KitError
from ..inputs import read_json, read_objects, read_sheet, read_text

LLAVA, LMMS, VLMEVALKIT = "LLaVA answers", "lmms-eval samples", "VLMEvalKit results"
SUBMISSION, TABLE, MME_RESULTS = "submission", "table", "MME results"
FORMS = {
    LLAVA: "JSONL: question_id, prompt, text",
    LMMS: "JSONL of --log_samples: doc_id, filtered_resps",
    VLMEVALKIT: "xlsx or tsv: index, question, prediction",
    SUBMISSION: "JSON or JSONL: question_id or image, prediction or answer; or one object of ids",
    TABLE: "csv, tsv or xlsx: question_id, prediction",
    MME_RESULTS: "txt: image, question, answer, reply",
}
KNOWN = "predictions in a known form: " + "; ".join(f"{name} ({fields})" for name, fields in FORMS.items())
SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".xlsx", ".txt")

# Names of fields, the ones that go first where several are there. Case does not count.
IDS = ("question_id", "questionid", "index", "id", "qid")
REPLIES = ("prediction", "pred", "reply", "response", "output", "text", "answer")
TEXTS = ("prompt", "question", "input", "caption")
IMAGES = ("image", "image_path", "image_id", "imageid")
OPTIONS = (tuple("abcdefghij"), tuple(f"choice_{letter}" for letter in "abcd"))

SAMPLES = ("filtered_resps", "resps")
TWO_ANSWERS = ("multiple_choice", "direct_answer")

# What only files of questions have: their "answer" or "text" is nobody's reply.
OF_QUESTIONS = ("answers", "choices", "choice_a", "conversations", "direct_answers", "fullanswer", "label")

_WHOLE = re.compile(r"\d+\.0")


class Row(NamedTuple):
    """One reply as a file has it, and all that the file tells about the question it is for.

    `key` is the question's id in the file, "" without one; `position` its place in the file, from 0, or the
    one that the tool gives. `part` is what the file is called: some benchmarks have a file a category.
    `reply` is a text, or A-OKVQA's two answers by name.
    """

    where: str
    form: str
    key: str
    position: int | None
    text: str
    reply: str | Mapping[str, Any]
    part: str = ""
    category: str = ""
    image: str = ""
    options: tuple[str, ...] = ()


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a file, or of the files of a folder in the order of their names.

    A file that is empty, cut off, not UTF-8 or of no known form raises `KitError` with file and line.
    """
    for file in _files(path):
        if not file.is_file():
            raise KitError(f"no file {str(file)!r}; expected {KNOWN}")
        if not file.stat().st_size:
            raise KitError(f"{file} is empty; expected {KNOWN}")
        number = -1
        for number, row in enumerate(_READERS.get(file.suffix.lower(), _unknown)(file)):
            yield row if row.position is not None else row._replace(position=number)
        if number < 0:
            raise KitError(f"{file}: no predictions in it; expected {KNOWN}")


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    if (path / "merge.jsonl").is_file():  # LLaVA's scripts put the parts together under this name
        return [path / "merge.jsonl"]
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
    suffixes = sorted({file.suffix for file in files})
    if len(suffixes) != 1:
        found = f"files of several kinds ({', '.join(suffixes)})" if suffixes else "no predictions"
        raise KitError(f"{str(path)!r} holds {found}; name the file with the predictions; expected {KNOWN}")
    return files


def _unknown(file: Path) -> Iterator[Row]:
    raise KitError(f"{file}: {file.suffix or 'no suffix'} is no known kind of file; expected {KNOWN}")


def _json_rows(file: Path) -> Iterator[Row]:
    """JSON lines, or one JSON value of any of the forms, whatever the file is called."""
    if _is_lines(file):
        yield from (_from_object(where, line, file.stem) for where, line in read_objects(file, KNOWN))
        return
    value = read_json(file, KNOWN)
    if isinstance(value, dict):
        value = _from_lists(value) or value
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield _from_object(f"{file}, item {number}", item, file.stem)
    elif isinstance(value, dict):
        yield from _from_ids(file, value.get("outputs", value))
    else:
        raise KitError(f"{file}: one {type(value).__name__}; expected {KNOWN}")


def _is_lines(file: Path) -> bool:
    """Whether these are JSON lines: objects, each in a line of its own."""
    text = read_text(file, KNOWN).lstrip()
    if not text:
        raise KitError(f"{file} is empty; expected {KNOWN}")
    first, _, rest = text.partition("\n")
    if rest.lstrip()[:1] == "{" or first[0] != "{":
        return first[0] == "{"
    try:
        names = {name.lower() for name in json.loads(first)}
    except (ValueError, RecursionError):
        return False  # reading the file as one value says what is wrong
    return bool(names & {*IDS, *TEXTS, *IMAGES, "doc_id"} and names & {*REPLIES, *SAMPLES})


def _from_lists(value: dict[str, Any]) -> list[Any]:
    """The lists within the one object that old lmms-eval and LLaVA's ScienceQA evaluation write."""
    for names in (("logs",), ("correct", "incorrect")):
        if all(isinstance(value.get(name), list) for name in names):
            return [item for name in names for item in value[name]]
    return []


def _from_ids(file: Path, answers: Any) -> Iterator[Row]:
    if not isinstance(answers, dict) or not answers:
        raise KitError(f"{file}: no answers by id; expected {KNOWN}")
    for key, value in answers.items():
        where = f"{file}, id {key!r}"
        if isinstance(value, dict) and not set(TWO_ANSWERS) & set(value):
            yield _from_object(where, {"question_id": key, **value}, file.stem)
        else:
            yield Row(where, SUBMISSION, key, None, "", _reply(value, where), file.stem)


def _from_object(where: str, value: Any, part: str) -> Row:
    if not isinstance(value, dict):
        raise KitError(f"{where}: {value!r:.60} is no object; expected {KNOWN}")
    fields = {name.lower(): item for name, item in value.items()}
    if set(SAMPLES) & set(fields):
        return _from_sample(where, fields, part)
    name = _reply_field(where, fields)
    form = LLAVA if name == "text" and "prompt" in fields else SUBMISSION
    return _described(where, form, fields, _reply(fields[name], where), part)


def _reply_field(where: str, fields: Mapping[str, Any]) -> str:
    """The name of the field that holds the prediction, in a file that is not one of questions."""
    name = next((name for name in REPLIES if name in fields), "")
    if not name:
        raise KitError(f"{where}: no prediction among {', '.join(fields)!r:.120}; expected {KNOWN}")
    marks = [mark for mark in OF_QUESTIONS if mark in fields]
    if name == "text" and "prompt" not in fields and "image" in fields and "category" in fields:
        marks.append("no prompt, but an image and a category")
    if name in ("text", "answer") and (marks or _options(fields)):
        raise KitError(f"{where}: this looks like a file of questions (it has {(marks or ['options'])[0]}); "
                       "expected one of predictions")
    return name


def _described(where: str, form: str, fields: Mapping[str, Any], reply: Any, part: str) -> Row:
    """The row of a reply; its question's id and text are looked for among the fields."""
    key, category = _first(fields, (*IDS, IMAGES[0])), _first(fields, ("category",))
    return Row(where, form, key, None, _first(fields, TEXTS), reply, part, category, _first(fields, IMAGES),
               _options(fields))


def _options(fields: Mapping[str, Any]) -> tuple[str, ...]:
    for names in OPTIONS:
        if names[0] in fields and names[1] in fields:
            return tuple(str(fields[name]) for name in names if fields.get(name) not in (None, ""))
    return ()


def _from_sample(where: str, fields: dict[str, Any], part: str) -> Row:
    """A sample of lmms-eval: older ones have the dataset's row as `doc`, newer ones what the task keeps."""
    doc = fields.get("doc")
    kept = [doc, *(value for name, value in fields.items() if name != "doc")]
    known = [{name.lower(): item for name, item in one.items()} for one in kept if isinstance(one, dict)]
    named = (one for one in known if _first(one, (*IDS, IMAGES[0])))
    found = next(named, known[0] if isinstance(doc, dict) else {})
    reply = _single(next(fields[name] for name in SAMPLES if name in fields), where)
    row = _described(where, LMMS, found, reply, part)
    text = row.text or _innermost(fields.get("input") or fields.get("arguments") or fields.get("prompt"))
    place = str(fields.get("doc_id", ""))
    return row._replace(text=text, position=int(place) if place.isdecimal() else None)


def _single(value: Any, where: str) -> str:
    """The one text in lists of lists (lmms-eval nests replies by request and by repeat)."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, list) and value:
        raise KitError(f"{where}: {len(value)} replies to one question; expected one written reply a sample, "
                       "not the likelihoods of the options, nor several replies")
    return _reply(value or "", where)


def _innermost(value: Any) -> str:
    while isinstance(value, (list, dict)) and value:
        value = value[0] if isinstance(value, list) else next(iter(value.values()))
    return value if isinstance(value, str) else ""


def _reply(value: Any, where: str) -> Any:
    if value is None:
        return ""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()  # JSON can hold half a sign, which no file can
    if isinstance(value, dict) and set(TWO_ANSWERS) & set(value):
        return value
    if isinstance(value, (int, float)):
        return str(value)
    raise KitError(f"{where}: the prediction is {value!r:.60}; expected a text")


def _first(fields: Mapping[str, Any], names: Iterable[str]) -> str:
    for name in names:
        value = fields.get(name)
        if value is not None and value != "":
            text = str(value).strip() if isinstance(value, (str, int, float)) else ""
            return text.removesuffix(".0") if _WHOLE.fullmatch(text) else text
    return ""


def _delimited(file: Path) -> Iterator[Row]:
    text = read_text(file, KNOWN)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True,
                        delimiter="\t" if file.suffix.lower() == ".tsv" else ",")
    header: list[str] = []
    try:
        for cells in reader:
            where = f"{file}:{reader.line_num}"
            if not cells:
                continue
            if not header:
                header = _header(cells)
                if header != cells:
                    yield _from_cells(where, header, cells, file)
            else:
                yield _from_cells(where, header, cells, file)
    except csv.Error as error:
        raise KitError(f"{file}:{reader.line_num}: {error}; expected {KNOWN}") from error


def _header(cells: list[str]) -> list[str]:
    """The first line, or for two columns without known names: id and prediction."""
    names = {name.strip().lower() for name in cells}
    known = names & {*IDS, *REPLIES, *TEXTS, *IMAGES}
    return ["question_id", "prediction"] if len(cells) == 2 and not known else cells


def _from_cells(where: str, header: list[str], cells: list[str], file: Path) -> Row:
    if len(cells) != len(header):
        raise KitError(f"{where}: {len(cells)} columns; expected {len(header)} ({', '.join(header)!r:.80}); "
                       "is the file whole?")
    fields = {name.strip().lower(): cell for name, cell in zip(header, cells, strict=True)}
    name = _reply_field(where, fields)
    form = VLMEVALKIT if "index" in fields and name == "prediction" else TABLE
    return _described(where, form, fields, fields[name], file.stem)


def _workbook(file: Path) -> Iterator[Row]:
    for where, cells in read_sheet(file, KNOWN):
        yield _from_cells(where, list(cells), list(cells.values()), file)


def _mme_results(file: Path) -> Iterator[Row]:
    for number, line in enumerate(read_text(file, KNOWN).split("\n"), start=1):
        fields = line.rstrip("\r").split("\t")
        if not line.strip():
            continue
        if len(fields) != 4:
            raise KitError(f"{file}:{number}: {len(fields)} fields; expected image, question, answer, reply "
                           "between tabs")
        yield Row(f"{file}:{number}", MME_RESULTS, f"{file.stem}/{fields[0]}", None, fields[1], fields[3],
                  file.stem, file.stem, fields[0])


_READERS = {
    ".jsonl": _json_rows, ".json": _json_rows, ".csv": _delimited, ".tsv": _delimited, ".xlsx": _workbook,
    ".txt": _mme_results,
}
