"""Checks every configuration that the project's pages show: `examples.py <olla-server>`.

A YAML block that begins with a key of Olla's configuration is one.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
CONFIGURATION = re.compile(r"(endpoints|discovery|proxy|server|model_registry|model_aliases|logging):")
VARIABLE = re.compile(r"\$\{(\w+)\}")


def complaint(olla: str, text: str) -> str | None:
    """Returns what is wrong with a configuration, if anything is."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "config.yaml").write_text(text)
        env = os.environ | {name: "secret" for name in VARIABLE.findall(text)}
        run = subprocess.run([olla, "check"], cwd=directory, env=env, capture_output=True, text=True)
    return None if run.returncode == 0 else run.stdout + run.stderr


def main() -> int:
    olla = str(Path(sys.argv[1]).resolve())
    pages = [Path("README.md"), *sorted(Path("docs").rglob("*.md"))]
    examples = [(page, text) for page in pages for text in BLOCK.findall(page.read_text())]
    configurations = [(page, text) for page, text in examples if CONFIGURATION.match(text)]
    wrong = [(page, text, found) for page, text in configurations if (found := complaint(olla, text))]
    for page, text, found in wrong:
        print(f"{page}:\n{text}\n{found}")
    print(f"{len(configurations)} configurations in {len(pages)} pages, {len(wrong)} wrong")
    return 1 if wrong or not configurations else 0


if __name__ == "__main__":
    sys.exit(main())
