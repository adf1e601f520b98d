"""YAML as people write it: keys in their order, texts of several lines as blocks.

Used for files that are generated and committed. What is in them belongs to the modules that make them.
"""

import yaml


class _Dumper(yaml.SafeDumper):
    """A dumper that writes texts of several lines as blocks, and never refers back to an earlier value."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002  # the signature of yaml.Dumper
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)


def write_yaml(value: object) -> str:
    """Write a value of plain dictionaries, lists, texts and numbers as YAML."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
