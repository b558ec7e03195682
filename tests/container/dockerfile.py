# SPDX-License-Identifier: Apache-2.0
"""Reads the Dockerfile as far as this project uses it, so that what is tested is what stands there."""
import json
import re
import shlex

# What a stage of ours may say. A new instruction is to be understood here before it is used there.
KNOWN = {"FROM", "ARG", "ENV", "WORKDIR", "COPY", "RUN", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK",
         "ENTRYPOINT", "CMD"}


class Stage:
    """The instructions of one stage: (name, text) in their order."""

    def __init__(self, text):
        self.base = text.split(" AS ")[0].split()[-1]
        self.name = text.split(" AS ")[1] if " AS " in text else None
        self.instructions = []

    def all(self, name):
        return [text for known, text in self.instructions if known == name]

    def one(self, name):
        texts = self.all(name)
        if len(texts) != 1:
            raise ValueError(f"the stage has {len(texts)} lines {name}, one is expected")
        return texts[0]

    def command(self):
        """What the container runs."""
        return json.loads(self.one("ENTRYPOINT")) + json.loads(self.one("CMD"))

    def health_command(self):
        return json.loads(self.one("HEALTHCHECK").split(" CMD ", 1)[1])

    def health_options(self):
        """Seconds, and numbers, of --interval and its like."""
        options = self.one("HEALTHCHECK").split(" CMD ", 1)[0]
        return {name: int(value.removesuffix("s")) for name, value in re.findall(r"--([a-z-]+)=(\d+s?)", options)}

    def volumes(self):
        return json.loads(self.one("VOLUME"))

    def environment(self):
        """ENV, and ARG with its default, as RUN sees them."""
        return dict(word.split("=", 1) for name in ("ENV", "ARG") for text in self.all(name) for word in shlex.split(text)
                    if "=" in word)

    def run_lines(self):
        """(command, {target: source} of what is mounted from another stage) of each RUN."""
        lines = []
        for text in self.all("RUN"):
            mounts = {}
            while match := re.match(r"--mount=(\S+)\s+", text):
                mount = dict(part.split("=", 1) for part in match[1].split(","))
                if mount["type"] == "bind":
                    mounts[mount["target"]] = mount["source"]
                elif mount["type"] != "cache":
                    raise ValueError(f"this kind of mount is not known: {match[1]}")
                text = text[match.end():]
            lines.append((text, mounts))
        return lines


def read(path):
    """All stages."""
    text = "".join(line for line in path.read_text().splitlines(keepends=True) if not line.startswith("#"))
    stages = []
    for line in text.replace("\\\n", " ").splitlines():
        line = " ".join(line.split())
        if not line:
            continue
        name, rest = line.split(" ", 1)
        if name not in KNOWN:
            raise ValueError(f"{path}: this test does not know {name}")
        if name == "FROM":
            stages.append(Stage(rest))
        else:
            stages[-1].instructions.append((name, rest))
    return stages
