"""The flags by which ckpt-plan and ckpt-migrate say what goes where, and the plan that they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from absl import flags
from ckpt_tools import terminal

from migration.planning.options import NAMED

if TYPE_CHECKING:
    from migration.checkpoint import Checkpoint
    from migration.planning.options import Options
    from migration.planning.plan import Plan
    from migration.planning.rules import Rules

STEERING = (
    "template", "mapping", "rules", "to", "optimizer", "learning_rate", "step", "averages", "forget_bias",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PlanningFlags:
    """Reads the flags that `define` made."""

    values: flags.FlagValues

    @classmethod
    def define(cls, values: flags.FlagValues) -> PlanningFlags:
        """Define the flags in `values`."""
        flags.DEFINE_string(
            "template",
            None,
            "An object-based checkpoint that the new code saved once; with --to=name, a name-based one.",
            flag_values=values,
        )
        flags.DEFINE_string(
            "mapping",
            None,
            "A JSON or TOML file that leads names of the source to paths, full names or keys of the result.",
            flag_values=values,
        )
        flags.DEFINE_string("rules", None, "A TOML file of rename rules.", flag_values=values)
        flags.DEFINE_enum(
            "to",
            "object",
            ["object", "name", "rename"],
            "The style of the result; rename stays name-based.",
            flag_values=values,
        )
        flags.DEFINE_enum(
            "optimizer",
            "auto",
            ["auto", "drop", "keep", *NAMED],
            "Optimizer state: laid out for the target's optimizer, left out, or kept as plain tensors; or "
            "the kind of the optimizer, where its slots have a name of their own.",
            flag_values=values,
        )
        flags.DEFINE_float(
            "learning_rate", None, "The learning rate, where the graph does not tell it.", flag_values=values
        )
        flags.DEFINE_integer(
            "step", None, "The number of training steps done, where no tensor tells it.", flag_values=values
        )
        flags.DEFINE_enum(
            "averages",
            "keep",
            ["keep", "drop", "promote"],
            "Moving averages: kept, left out, or put in the place of their weights.",
            flag_values=values,
        )
        flags.DEFINE_float(
            "forget_bias",
            None,
            "The LSTM cells' forget_bias, where the graph does not tell it.",
            flag_values=values,
        )
        return cls(values)

    @property
    def template_path(self) -> str | None:
        """The path of the template; None where none is given."""
        return self.values["template"].value or None

    def template(self) -> Checkpoint | None:
        """The open template; None where none is given."""
        if self.template_path is None:
            return None
        from migration.checkpoint import Checkpoint

        return Checkpoint.open(self.template_path)

    def mapping(self) -> dict[str, str] | None:
        """The mapping in the file of --mapping."""
        return read_mapping(self.values["mapping"].value)

    def rules(self) -> Rules | None:
        """The rules in the file of --rules."""
        if self.values["mapping"].value and self.values["rules"].value:
            raise terminal.UsageError("--mapping and --rules do not go together: write the mapping as rules")
        return read_rules(self.values["rules"].value)

    def options(self) -> Options:
        """The choices beyond names."""
        from migration.planning.options import Options

        value = {name: self.values[name].value for name in STEERING}
        return Options(
            optimizer=value["optimizer"],
            learning_rate=value["learning_rate"],
            step=value["step"],
            averages=value["averages"],
            forget_bias=value["forget_bias"],
        )

    def plan(self, source: Checkpoint, template: Checkpoint | None) -> Plan:
        """The plan that the flags ask for. Raises what `make_plan` raises."""
        from migration.planning.planner import make_plan

        return make_plan(
            source,
            template,
            to=self.values["to"].value,
            mapping=self.mapping(),
            rules=self.rules(),
            options=self.options(),
        )


def read_mapping(path: str | None) -> dict[str, str] | None:
    """The mapping in a JSON or TOML file; None where there is none."""
    if not path:
        return None
    from migration.planning.rules import read_mapping as read

    return read(path)


def read_rules(path: str | None) -> Rules | None:
    """The rules in a file; None where there is none."""
    if not path:
        return None
    from migration.planning.rules import Rules

    return Rules.read(path)
