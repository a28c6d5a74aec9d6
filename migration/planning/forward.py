"""Names to objects: onto a template, or as a mirror of the name scopes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from migration.planning.candidates import Candidate
from migration.planning.mirror import Roles, mirror
from migration.planning.onto import (
    Claims,
    by_full_name,
    by_path,
    by_proposal,
    left_candidates,
    left_targets,
    of_template,
)
from migration.planning.options import Options
from migration.planning.plan import Plan, SourceSignature, TemplateReference
from migration.planning.targets import Template

if TYPE_CHECKING:
    from migration.checkpoint import Checkpoint
    from migration.planning.rules import Rules


def signature_of(source: Checkpoint) -> SourceSignature:
    """The names, specs, partitions and graph of a source, as a plan keeps them."""
    return SourceSignature(specs=dict(source.specs), partitions=dict(source.partitions), graph=source.graph)


def without_template(
    source: Checkpoint, mapping: Mapping[str, str] | None, rules: Rules | None, options: Options
) -> Plan:
    """The plan of a mirror."""
    return mirror(signature_of(source), Roles())


def onto_template(
    source: Checkpoint,
    template: Template,
    mapping: Mapping[str, str] | None,
    rules: Rules | None,
    options: Options,
) -> Plan:
    """The plan that fills a template."""
    candidates = {key: Candidate.stored(key, spec) for key, spec in source.specs.items()}
    own, wanted = of_template(template.targets)
    claims = Claims(candidates=candidates, targets={target.key: target for target in wanted})
    by_full_name(claims)
    by_path(claims)
    if options.propose:
        by_proposal(claims)
    steps = {**{step.target: step for step in own}, **claims.steps}
    unfilled, unused = claims.free_targets(), claims.free_candidates()
    return Plan(
        to="object",
        source=signature_of(source),
        steps=tuple(steps[target.key] for target in template.targets if target.key in steps),
        unused=left_candidates(unused, unfilled),
        unfilled=left_targets(unfilled, unused),
        graph=template.graph,
        template=TemplateReference(path=template.checkpoint.prefix, digest=template.checkpoint.digest),
    )


