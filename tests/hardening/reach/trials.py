"""What a hostile file could try, each as a trial: prepare, yield what else may be read, act, and check.

What is prepared before the `yield` is not watched; what comes behind it is.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from migration.checkpoint import Checkpoint
from migration.convert import execute
from migration.doctor import examine
from migration.errors import MigrationError
from migration.formats.object_graph import GRAPH_KEY, Attribute, Child, Node, ObjectGraph
from migration.formats.proto import meta_graph_pb2
from migration.model_dir import migrate_directory
from migration.planning.plan import Plan, TemplateReference
from migration.planning.plan_file import read_plan, write_plan
from migration.planning.planner import make_plan
from migration.verify import verify
from tests.bundles import write_bundle
from tests.hardening.flips.subjects import SAMPLE
from tests.hardening.names.running import run
from tests.hardening.reach.world import ARRAYS, World, object_based

Trial = Callable[[World], Iterator[tuple[str, ...]]]
TRIALS: list[Trial] = []
PICKLED = b"cposix\nsystem\n(S'touch owned'\ntR."  # what pickle.loads would run


def trial(function: Trial) -> Trial:
    """Registers a trial."""
    TRIALS.append(function)
    return function


def expect(held: bool, what: object) -> None:
    """Raises AssertionError, which is a finding, unless it held."""
    if not held:
        raise AssertionError(str(what))


def every_tool(world: World, source: str | Path, migrated: str | Path | None = None) -> None:
    """All that is done with a checkpoint by the tools; `migrated` is one to compare it with."""
    migrated = migrated or source
    for arguments in (
        ("inspect", f"--checkpoint={source}", "--values"),
        ("plan", f"--checkpoint={source}"),
        ("migrate", f"--checkpoint={source}", f"--output={world.out}/made"),
        ("migrate", f"--checkpoint={source}", "--to=name", f"--output={world.out}/named"),
        ("diff", "--all", str(source), str(migrated)),
        ("verify", f"--checkpoint={source}", f"--migrated={migrated}"),
        ("doctor", str(source)),
    ):
        ran = run(*arguments)
        expect(ran.status in (0, 1, 2, 3) and "Traceback" not in ran.err, f"{arguments}: {ran.err[-300:]}")


def files_of(prefix: Path) -> tuple[str, ...]:
    """The files of a checkpoint, there or not."""
    return (str(prefix), *(f"{prefix}.{end}" for end in ("index", "data-00000-of-00001", "meta")))


def only_in_out(world: World, *prefixes: str) -> None:
    """Nothing is in `out` but the files of checkpoints with these names (and a state file)."""
    names = {name for name in os.listdir(world.out) if name != "checkpoint"}
    strange = {name for name in names if not name.startswith(tuple(f"{prefix}." for prefix in prefixes))}
    expect(not strange, f"written as well: {strange}")


# Names ----------------------------------------------------------------------------------------------


@trial
def keys_that_are_paths(world: World) -> Iterator[tuple[str, ...]]:
    names = ("../secret/passwords", f"{world.secret}/model.ckpt-5", "~/x", "$(touch owned)", "a/../../../x")
    prefix = write_bundle(world.given / "keys", {name: np.ones(2) for name in names})
    yield ()
    every_tool(world, prefix)
    only_in_out(world, "made", "named")


@trial
def a_graph_whose_names_are_paths_and_classes(world: World) -> Iterator[tuple[str, ...]]:
    key = f"{world.secret}/x/.ATTRIBUTES/VARIABLE_VALUE"
    nodes = (
        Node(children=(Child("../secret", 1), Child("os.system", 1))),
        Node(attributes=(Attribute("VARIABLE_VALUE", f"{world.secret}/passwords", key),),
             registered_saver=("os.system", "touch owned")),
    )  # fmt: skip
    values = {key: np.ones(2), GRAPH_KEY: np.array(ObjectGraph(nodes).to_bytes(), object)}
    prefix = write_bundle(world.given / "objects", values)
    yield ()
    every_tool(world, prefix)
    ran = run("plan", f"--checkpoint={world.given}/model.ckpt-9", f"--template={prefix}")
    expect(ran.status == 2, ran)
    only_in_out(world, "made", "named")


@trial
def strings_that_are_pickles(world: World) -> Iterator[tuple[str, ...]]:
    held = np.array([PICKLED, b"!!python/object/apply:os.system ['touch owned']"], object)
    prefix = write_bundle(world.given / "strings", {"words": held, "metadata": np.array(PICKLED, object)})
    yield ()
    every_tool(world, prefix)
    expect(Checkpoint.open(prefix).read("words")[0] == PICKLED, "read as something else")


@trial
def files_of_a_directory_with_hostile_names(world: World) -> Iterator[tuple[str, ...]]:
    for name in ("$(touch owned)", "`touch owned`", "a;touch owned", "-rf", "*", "..ckpt", "%2e%2e%2fx"):
        write_bundle(f"{world.given}/{name}", ARRAYS)
    (world.given / "x.data-00000-of-00001").write_bytes(b"")
    os.symlink(world.secret / "passwords", world.given / "linked.txt")  # the user's own link to a file
    yield (str(world.secret / "passwords"),)
    report = migrate_directory(world.given, world.out)
    expect(report.is_complete, report)
    run("migrate", f"--model_dir={world.given}", f"--output_dir={world.out}")
    examine(world.given)
    run("doctor", str(world.given))
    names = {row.source.rsplit("/", 1)[-1] for row in report.rows}
    only_in_out(world, *names)


# Plans and manifests --------------------------------------------------------------------------------


def plan_with_template(world: World, template: str | Path) -> str:
    """A plan file beside the source that takes every value from that template."""
    source, shape = Checkpoint.open(world.given / "model.ckpt-9"), Checkpoint.open(world.secret / "template")
    plan = make_plan(source, shape)
    steps = tuple(
        replace(step, sources=(replace(step.sources[0], key=step.target, template=True),), transforms=())
        if step.sources
        else step
        for step in plan.steps
    )
    reference = TemplateReference(path=os.fspath(template), digest=shape.digest)
    path = str(world.given / "plan.toml")
    write_plan(replace(plan, steps=steps, template=reference), path)
    shape.close()
    return path


@trial
def a_plan_whose_template_is_elsewhere(world: World) -> Iterator[tuple[str, ...]]:
    os.symlink(world.secret, world.given / "link")
    plans = []
    for number, path in enumerate(
        (world.secret / "template", world.given / "../secret/template", world.given / "link" / "template")
    ):
        plans.append(str(world.given / f"plan-{number}.toml"))
        shutil.move(plan_with_template(world, path), plans[-1])
    yield ()
    source = str(world.given / "model.ckpt-9")
    for file in plans:
        given = f"--plan={file}"
        for ran in (
            run("migrate", f"--checkpoint={source}", given, f"--output={world.out}/made"),
            run("migrate", f"--model_dir={world.given}", given, f"--output_dir={world.out}"),
        ):
            expect(ran.status == 1 and "outside" in ran.err and "--template=" in ran.err, ran)
        ran = run("diff", given, source, source)
        expect("outside" in ran.err and ran.status == 2, ran)
        run("verify", given, f"--checkpoint={source}", f"--migrated={source}")
        _refused(lambda file=file: migrate_directory(world.given, world.out, plan=read_plan(file)))
    expect(os.listdir(world.out) == [], os.listdir(world.out))


def _refused(call: Callable[[], object]) -> None:
    try:
        call()
    except MigrationError:
        return
    raise AssertionError("it was not refused")


@trial
def a_plan_whose_template_is_at_hand(world: World) -> Iterator[tuple[str, ...]]:
    (world.given / "templates").mkdir()
    for path in world.secret.glob("template.*"):
        shutil.copy(path, world.given / "templates")
    file = plan_with_template(world, world.given / "templates" / "template")
    yield ()
    flags = (f"--checkpoint={world.given}/model.ckpt-9", f"--plan={file}")
    ran = run("migrate", *flags, f"--output={world.out}/made")
    expect(ran.status == 0, ran)


@trial
def a_template_elsewhere_that_the_user_gives(world: World) -> Iterator[tuple[str, ...]]:
    file = plan_with_template(world, world.secret / "template")
    yield files_of(world.secret / "template")
    flags = (f"--checkpoint={world.given}/model.ckpt-9", f"--plan={file}")
    ran = run("migrate", *flags, f"--template={world.secret}/template", f"--output={world.out}/made")
    expect(ran.status == 0, ran)


@trial
def a_manifest_that_names_files(world: World) -> Iterator[tuple[str, ...]]:
    source = Checkpoint.open(world.given / "model.ckpt-9")
    plan = make_plan(source)
    reference = TemplateReference(path=str(world.secret / "template"), digest="sha256:0")
    execute(replace(plan, template=reference), source, world.given / "result")
    source.close()
    yield ()
    every_tool(world, world.given / "result", world.given / "model.ckpt-9")
    expect(verify(world.given / "model.ckpt-9", world.given / "result").is_complete, "not verified")
    only_in_out(world, "made", "named")


@trial
def a_plan_whose_targets_are_paths(world: World) -> Iterator[tuple[str, ...]]:
    source = Checkpoint.open(world.given / "model.ckpt-9")
    plan = make_plan(source, to="rename", mapping={"a/kernel": "../../secret/x", "a/bias": "/etc/owned"})
    write_plan(plan, world.given / "plan.toml")
    source.close()
    yield ()
    flags = (f"--checkpoint={world.given}/model.ckpt-9", f"--plan={world.given}/plan.toml")
    ran = run("migrate", *flags, f"--output={world.out}/made")
    expect(ran.status == 0 and "/etc/owned" in Checkpoint.open(world.out / "made"), ran)
    only_in_out(world, "made")


@trial
def rules_mappings_and_plans_that_are_code(world: World) -> Iterator[tuple[str, ...]]:
    code = "__import__('os').system('touch owned')"
    rule = f'[[rule]]\nmatch = "a/{{n}}"\nto = "{{n.__class__}}/{code}"\n'
    texts = {
        "rules.toml": f'{rule}[[rule]]\nconstant = "{code}"\nto = "b"\n',
        "mapping.toml": f'"a/kernel" = "{{0.__class__.__init__.__globals__}} %s {code}"\n',
        "mapping.json": '{"a/kernel": "' + code + '", "include": "../secret/passwords"}',
        "plan.toml": f'format = 1\ntool = "{code}"\nto = "{code}"\ninclude = "../secret/passwords"\n',
        "include.toml": 'include = "../secret/passwords"\nextends = "../secret"\n',
    }
    for name, text in texts.items():
        (world.given / name).write_text(text)
    yield ()
    source = f"--checkpoint={world.given}/model.ckpt-9"
    run("plan", source, f"--rules={world.given}/rules.toml", "--to=rename")
    for name in ("mapping.toml", "mapping.json"):
        run("plan", source, f"--mapping={world.given}/{name}", "--to=rename")
    for name in ("plan.toml", "include.toml"):
        run("migrate", source, f"--plan={world.given}/{name}", f"--output={world.out}/made")
    run("plan", source, f"--config={world.given}/include.toml")
    only_in_out(world)


# State files ----------------------------------------------------------------------------------------


def _state(folder: Path, *recorded: str) -> None:
    lines = [f'model_checkpoint_path: "{recorded[-1]}"\n']
    lines += [f'all_model_checkpoint_paths: "{path}"\n' for path in recorded]
    (folder / "checkpoint").write_text("".join(lines))


@trial
def a_state_file_that_leads_elsewhere_though_it_is_beside(world: World) -> Iterator[tuple[str, ...]]:
    write_bundle(world.given / "model.ckpt-5", ARRAYS)
    _state(world.given, "../secret/model.ckpt-5", f"{world.secret}/model.ckpt-5")
    yield (f"{world.secret}/",)  # whether there is one is asked, for the remark
    checkpoint = Checkpoint.open(world.given)
    expect(checkpoint.prefix == str(world.given / "model.ckpt-5"), checkpoint)
    expect("outside" in checkpoint.location.remarks[0], checkpoint.location.remarks)
    every_tool(world, world.given)
    migrate_directory(world.given, world.out / "all")


@trial
def a_state_file_that_leads_elsewhere(world: World) -> Iterator[tuple[str, ...]]:
    for path in world.given.glob("model.ckpt-9.*"):
        path.unlink()
    _state(world.given, f"{world.secret}/model.ckpt-5")
    yield files_of(world.secret / "model.ckpt-5")
    checkpoint = Checkpoint.open(world.given)
    expect(checkpoint.prefix == str(world.secret / "model.ckpt-5"), checkpoint)
    expect("outside of its directory" in checkpoint.location.remarks[0], checkpoint.location.remarks)
    ran = run("migrate", f"--checkpoint={world.given}", f"--output={world.out}/made")
    expect(ran.status == 0 and "outside of its directory" in ran.err, ran)


@trial
def a_state_file_that_names_no_checkpoint(world: World) -> Iterator[tuple[str, ...]]:
    os.mkfifo(world.secret / "fifo")
    secret = str(world.secret)
    named = [f"{secret}/passwords", f"{secret}/fifo", secret, "/dev/stdin", "a\\000b", "~/x"]
    for number, path in enumerate(named):
        (world.given / str(number)).mkdir()
        _state(world.given / str(number), path)
    # Whether the file ends as a V1 table does is looked at, and whether shards of the name are beside it.
    yield f"{secret}/passwords", f"{secret}/", f"{world.root}/", "/dev/"
    for number in range(len(named)):
        _refused(lambda number=number: Checkpoint.open(world.given / str(number)))
        run("doctor", str(world.given / str(number)))
        run("inspect", f"--checkpoint={world.given / str(number)}")


@trial
def a_directory_is_migrated_without_what_is_elsewhere(
    world: World,
) -> Iterator[tuple[str, ...]]:
    _state(world.given, f"{world.secret}/model.ckpt-5", "model.ckpt-9")
    yield files_of(world.secret / "model.ckpt-5")  # it is there, and left alone
    report = migrate_directory(world.given, world.out)
    expect([row.source for row in report.rows] == [str(world.given / "model.ckpt-9")], report)
    only_in_out(world, "model.ckpt-9")


# Graphs ---------------------------------------------------------------------------------------------


def _hostile_graph(world: World, message: meta_graph_pb2.MetaGraph) -> None:
    """Nodes that would run Python or read files, if anybody ran the graph; a saver with paths of its own."""
    secret = f"{world.secret}/passwords".encode()
    for number, op in enumerate(("PyFunc", "EagerPyFunc", "ReadFile", "WriteFile", "MatchingFiles", "Const")):
        node = message.graph_def.node.add(name=f"../../secret/op_{number}", op=op)
        node.attr["token"].s = b"__import__('os').system('touch owned')"
        node.attr["filename"].s = secret
    message.saver_def.filename_tensor_name = f"{world.secret}/model.ckpt-5"
    for name in ("asset_filepaths", "saved_model_assets", "saved_model_main_op", "py_funcs"):
        message.collection_def[name].bytes_list.value.extend([secret, PICKLED])


@trial
def a_meta_graph_that_would_run_things(world: World) -> Iterator[tuple[str, ...]]:
    for path in SAMPLE.glob("model.ckpt-100.*"):
        shutil.copyfile(path, world.given / path.name)
    meta = world.given / "model.ckpt-100.meta"
    message = meta_graph_pb2.MetaGraph.FromString(meta.read_bytes())
    _hostile_graph(world, message)
    meta.write_bytes(message.SerializeToString())
    yield ()
    every_tool(world, world.given / "model.ckpt-100")
    only_in_out(world, "made", "named")


@trial
def a_saved_model_with_assets(world: World) -> Iterator[tuple[str, ...]]:
    model = world.given / "saved"
    (model / "variables").mkdir(parents=True)
    (model / "assets").mkdir()
    os.symlink(world.secret / "passwords", model / "assets" / "vocabulary")
    (model / "keras_metadata.pb").write_bytes(PICKLED)
    write_bundle(model / "variables" / "variables", ARRAYS)
    message = meta_graph_pb2.SavedModel(saved_model_schema_version=1)
    graph = message.meta_graphs.add()
    graph.ParseFromString((SAMPLE / "model.ckpt-100.meta").read_bytes())
    _hostile_graph(world, graph)
    (model / "saved_model.pb").write_bytes(message.SerializeToString())
    yield ()
    every_tool(world, model)
    only_in_out(world, "made", "named")


# Links ----------------------------------------------------------------------------------------------


@trial
def links_in_the_directory_are_the_users(world: World) -> Iterator[tuple[str, ...]]:
    for path in world.secret.glob("model.ckpt-5.*"):
        os.symlink(path, world.given / f"linked.{path.name.partition('5.')[2]}")
    yield tuple(map(str, world.secret.glob("model.ckpt-5.*")))
    every_tool(world, world.given / "linked")
    ran = run("migrate", f"--checkpoint={world.given}/linked", "--data=link", f"--output={world.out}/again")
    expect(ran.status in (0, 1), ran)


@trial
def a_target_that_leads_elsewhere_is_not_written_through(world: World) -> Iterator[tuple[str, ...]]:
    os.symlink(world.secret / "passwords", world.out / "made.index")
    os.symlink(world.secret / "passwords", world.out / "made.data-00000-of-00001")
    yield (str(world.secret / "passwords"),)
    flags = (f"--checkpoint={world.given}/model.ckpt-9", f"--output={world.out}/made")
    expect(run("migrate", *flags).status == 1, "an existing target was replaced")
    run("migrate", *flags, "--overwrite")
    expect((world.secret / "passwords").read_text().startswith("0123"), "it was written through the link")


__all__ = ["TRIALS", "Plan", "Trial", "object_based"]
