"""Makes docs/must-hold.md: what must hold (Tests/must-hold.tsv), line by line with the tests whose names begin with its id.

A test carries a line's id at the beginning of its name: `G31_lengths…`, `test_H44_…`, `G3_and_G6_…`. A line of the table has
an id, a sentence and a remark, which is empty or begins with
  part: what of the line no test shows yet
  otherwise: how it is held otherwise than written, and why
  waits: the part of the product that it needs
  open: what is not held, or not shown, though the product has the part
A line without a test must say `waits` or `open`; one with a test can't say `waits`."""
import argparse
import collections
import pathlib
import re
import sys

PROJECT = pathlib.Path(__file__).resolve().parent.parent.parent
TABLE = PROJECT / "Tests/must-hold.tsv"
PAGE = PROJECT / "docs/must-hold.md"
PARTS = {"A": "HTTP/1.1", "B": "Paths, hosts and identity", "G": "Management plane", "H": "Cluster"}
NAME = re.compile(r"(?:\bfunc `?|\bdef test_)((?:[A-I]\d+_(?:and_)?)+)(\w*)")
REMARKS = ("part", "otherwise", "waits", "open")


def tests():
    """id → [(file, name)]; ids are written without leading zeros."""
    found = collections.defaultdict(list)
    files = [file for pattern in ("*.swift", "*.py") for file in (PROJECT / "Tests").rglob(pattern) if ".build" not in file.parts]
    for file in sorted(files):
        for ids, rest in NAME.findall(file.read_text(errors="replace")):
            for letter, number in re.findall(r"([A-I])(\d+)_", ids):
                found[f"{letter}{int(number)}"].append((file.relative_to(PROJECT / "Tests"), ids + rest))
    return found


def table():
    rows = [line.split("\t") for line in TABLE.read_text().splitlines()[1:]]
    for row in rows:
        if len(row) != 3 or (row[2] and row[2].split(":")[0] not in REMARKS):
            sys.exit(f"must-hold: {TABLE.name}: a line is id, sentence, remark ({', '.join(REMARKS)}): {row}")
    return rows


def state(remark, shown):
    word = remark.split(":")[0]
    if not shown:
        return "waits" if word == "waits" else "open"
    return {"part": "in part", "otherwise": "held otherwise", "open": "open"}.get(word, "held")


def faults(rows, found):
    known = {row[0] for row in rows}
    for id, _, remark in rows:
        if not found[id] and not remark.startswith(("waits:", "open:")):
            yield f"{id} has no test; write one, or say in {TABLE.name} what it waits for"
        if found[id] and remark.startswith("waits:"):
            yield f"{id} waits for something, but {found[id][0][1]} carries its id"
    for id in sorted(set(found) - known):
        if id[0] in PARTS:
            yield f"{found[id][0][1]} carries {id}, which is no line of {TABLE.name}"


def page(rows, found):
    states = {id: state(remark, found[id]) for id, _, remark in rows}
    kinds = ["held", "held otherwise", "in part", "open", "waits"]
    yield "# What must hold\n"
    yield "Made by `ops/must-hold` from the names of the tests and `Tests/must-hold.tsv`; `ops/test` checks that it is current. A line is held when"
    yield "tests whose names begin with its id show it; *in part* and *open* say what is missing, *waits* for which part of the product."
    yield "Every line was read against its tests; what that found missing stands beside the line.\n"
    yield "| part | " + " | ".join(kinds) + " | lines |\n|---|" + "---|" * (len(kinds) + 1)
    for letter, title in PARTS.items():
        counted = collections.Counter(states[row[0]] for row in rows if row[0][0] == letter)
        yield f"| {letter} {title} | " + " | ".join(str(counted[kind]) for kind in kinds) + f" | {sum(counted.values())} |"
    others = sorted({id for id in found if id[0] not in PARTS})
    yield f"\nTests also carry ids of parts that come later: {', '.join(others)}.\n" if others else ""
    for letter, title in PARTS.items():
        yield f"## {letter}. {title}\n\n| id | must hold | state | shown by |\n|---|---|---|---|"
        for id, line, remark in rows:
            if id[0] != letter:
                continue
            names = "<br>".join(f"`{file.parts[0]}`: {name}" for file, name in found[id])
            said = remark.split(":", 1)[1].strip() if remark else ""
            yield f"| {id} | {line} | {states[id]}{': ' + said if said else ''} | {names} |"
        yield ""


def main():
    parser = argparse.ArgumentParser(prog="ops/must-hold", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if the page is not current or a line has neither test nor reason")
    options = parser.parse_args()
    rows, found = table(), tests()
    wrong = list(faults(rows, found))
    text = "\n".join(page(rows, found)).rstrip() + "\n"
    if options.check and (not PAGE.exists() or PAGE.read_text() != text):
        wrong.append(f"{PAGE.relative_to(PROJECT)} is not current; run ops/must-hold and commit it")
    for fault in wrong:
        print(f"must-hold: {fault}", file=sys.stderr)
    if not options.check:
        PAGE.write_text(text)
        counted = collections.Counter(state(remark, found[id]) for id, _, remark in rows)
        print(f"{PAGE.relative_to(PROJECT)}: " + ", ".join(f"{count} {kind}" for kind, count in counted.most_common()))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
