#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Commands in the documents: what inferctl, inferd and the scripts are told to do there must be what they can do, and files of
the package must be in it. Looks at blocks of sh and at code within lines."""
import argparse
import functools
import pathlib
import re
import shlex
import subprocess
import sys
import unittest

ARGS = None
SEPARATORS = {"|", "||", "&&", ";", "&"}
BEFORE = {"sudo", "then:"}  # words before a command
# What the packages put below /usr/share/inferd, by where it lies here.
PACKAGED = {"pipelines": "config/pipelines", "schema": "config/schema", "systemd": "systemd"}


@functools.cache
def told(program, *commands):
    """What its help says: its options, whether each takes a value, and its commands."""
    text = subprocess.run([getattr(ARGS, program), *commands, "--help"], capture_output=True, text=True, check=True).stdout
    options, below = {}, set()
    section = None
    for line in text.splitlines():
        if re.fullmatch(r"[A-Z]\w+:", line):
            section = line[:-1]
        elif not line.startswith("  "):
            section = None
        elif section == "Options" and (found := re.match(r"  ((?:-{1,2}[\w-]+,?)+)(.*)", line)):
            for name in found[1].strip(",").split(","):
                options[name] = bool(re.match(r" [A-Z]{2}", found[2]))
        elif section == "Subcommands" and (found := re.match(r"  ([\w-]+)", line)):
            below.add(found[1])
    return options, below


def check_program(program, words, whole):
    """The first thing that is wrong with a command's words, without the program's; None: nothing. One that is not `whole` may
    leave out values."""
    path, words = [], list(words)
    while words:
        word = words.pop(0)
        known = [told(program, *path[:depth]) for depth in range(len(path) + 1)]
        below = known[-1][1]
        if word.startswith("-") and word != "-":
            name, given, _ = word.partition("=")
            options = {option: value for said in known for option, value in said[0].items()}
            if name not in options:
                return f"{program} {' '.join(path)} has no option {name}"
            if options[name] and not given:
                if not words and whole:
                    return f"{name} of {program} {' '.join(path)} takes a value"
                words = words[1:]
        elif word in below:
            path.append(word)
        elif below:
            return f"{program} {' '.join(path)} has no command '{word}'"
    return None


def check_script(words):
    path = ARGS.root / words[0]
    if not path.is_file():
        return f"there is no {words[0]}"
    text = path.read_text()
    for word in words[1:]:
        if word.startswith("--") and word.partition("=")[0] not in text:
            return f"{words[0]} knows nothing of {word}"
    return None


def check_file(word):
    """Of the package."""
    found = re.match(r"/usr/share/inferd/(\w+)/([\w.*-]+)$", word)
    if not found:
        return None
    folder = PACKAGED.get(found[1])
    if folder is None or not list((ARGS.root / folder).glob(found[2])):
        return f"the package has no {word}"
    return None


def check_words(words, whole):
    while words and (words[0] in BEFORE or re.fullmatch(r"\w+=\S*", words[0])):
        words = words[1:]
    problems = [check_file(word) for word in words]
    if words:
        program = words[0]
        if program in ("inferctl", "inferd"):
            problems.append(check_program(program, words[1:], whole))
        elif re.match(r"(\./)?(scripts|tests)/[\w/-]+\.sh$", program):
            problems.append(check_script([program.removeprefix("./"), *words[1:]]))
        elif words[:2] == ["docker", "exec"] and "inferctl" in words:
            problems.append(check_program("inferctl", words[words.index("inferctl") + 1:], whole))
    return [problem for problem in problems if problem]


def words_of(line):
    """As a shell takes it apart, without its comment. ValueError: a quotation is not closed."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    return list(lexer)


def check_line(line, whole=True):
    """What is wrong with a line of a shell."""
    problems, command = [], []
    for word in [*words_of(line), ";"]:
        if word not in SEPARATORS:
            command.append(word)
            continue
        problems += check_words(command, whole)
        command = []
    return problems


def goes_on(line):
    """With the next one."""
    try:
        words_of(line)
    except ValueError:
        return True
    return line.endswith("\\")


def spread(text):
    """The commands that a form such as `inferctl pipeline start|stop NAME [--all]` stands for."""
    text = re.sub(r"\[(.*?)\]", r"\1", text).replace("...", "")
    ways = [""]
    for word in text.split():
        ways = [f"{way} {choice}" for way in ways for choice in word.split("|")]
    return ways


def commands_of(document):
    """Number of the line, a line of a shell, and whether it is a whole one, for each in the text of a document."""
    language, joined = None, ""
    for number, line in enumerate(document.splitlines(), 1):
        if line.startswith("```"):
            language = line[3:].strip() if language is None else None
        elif language == "sh":
            joined += line
            if goes_on(joined):
                joined = joined.removesuffix("\\") + "\n"
            else:
                yield number, joined, True
                joined = ""
        elif language is None:
            for code in re.findall(r"`([^`]+)`", line):
                if re.match(r"(sudo )?(inferctl|inferd|scripts/\S+) ", code):
                    for way in spread(code):
                        yield number, way, False


class Documents(unittest.TestCase):
    def test_say_what_there_is(self):
        documents = [ARGS.root / "README.md", ARGS.root / "CONTRIBUTING.md", *sorted(ARGS.root.glob("docs/*.md"))]
        count = 0
        for document in documents:
            for number, line, whole in commands_of(document.read_text()):
                count += 1
                with self.subTest(f"{document.name}:{number}: {line.strip()}"):
                    self.assertEqual(check_line(line, whole), [])
        self.assertGreater(count, 100, "the documents were not read")

    def test_first_minutes_are_in_all_of_them(self):
        """What a page for a kind of boards is for."""
        for name in ("raspberry-pi", "jetson", "generic-board"):
            text = (ARGS.root / f"docs/{name}.md").read_text()
            for step in ("inferctl doctor", "inferctl setup camera", "inferctl pipeline watch camera"):
                self.assertTrue(any(step in line for _, line, _ in commands_of(text)), f"{name}: {step}")


class Mistakes(unittest.TestCase):
    """That are found."""

    def test_in_lines(self):
        for line, expected in (
                ("inferctl setup camera --lst", "has no option --lst"),
                ("inferctl setup cameras", "has no command 'cameras'"),
                ("sudo inferctl model psh x.tflite && inferctl health", "has no command 'psh'"),
                ("ls | inferctl bench x.tflite --threads", "takes a value"),
                ("inferctl bench x --json --iteration 3", "has no option --iteration"),
                ("inferd --chek x", "has no option --chek"),
                ("scripts/bench.sh --no-such-option", "knows nothing of --no-such-option"),
                ("scripts/none.sh", "there is no scripts/none.sh"),
                ("cp /usr/share/inferd/pipelines/none.yaml /etc", "the package has no"),
                ("docker exec inferd inferctl docter", "has no command 'docter'")):
            problems = check_line(line)
            self.assertEqual(len(problems), 1, f"{line}: {problems}")
            self.assertIn(expected, problems[0])

    def test_what_is_right(self):
        for line in ("sudo inferctl setup camera --camera '/dev/video0' --yes  # a comment --lst",
                     "inferctl --json --endpoint=unix:/x model push a b --name n; inferd --check x",
                     "INFERD_KERNEL=ref inferctl bench x", "cp /usr/share/inferd/systemd/*.conf /etc", "rm --no-such-option"):
            self.assertEqual(check_line(line), [], line)
        self.assertEqual(check_line("inferd --check", whole=False), [])

    def test_forms_and_blocks(self):
        self.assertEqual(spread("inferctl pipeline start|stop NAME [--x Y]"),
                         [" inferctl pipeline start NAME --x Y", " inferctl pipeline stop NAME --x Y"])
        text = ("`inferctl a` and\n```sh\ninferctl b \\\n  c\necho 'd\ne'\n```\n`x` `sudo inferctl f`\n"
                "```yaml\ninferctl: g\n```\n")
        self.assertEqual([(number, line.split(), whole) for number, line, whole in commands_of(text)],
                         [(1, ["inferctl", "a"], False), (4, ["inferctl", "b", "c"], True), (6, ["echo", "'d", "e'"], True),
                          (8, ["sudo", "inferctl", "f"], False)])


def main():
    global ARGS
    parser = argparse.ArgumentParser()
    for name in ("--inferd", "--inferctl", "--root"):
        parser.add_argument(name, type=pathlib.Path, required=True)
    ARGS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)


if __name__ == "__main__":
    main()
