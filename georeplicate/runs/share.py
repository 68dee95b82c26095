"""A run's model card, and what is uploaded on request: a trained policy, or the data engine's records.

Both cards are made of manifests and of what was evaluated, and of nothing else. Nothing is uploaded unless a person
asks for it by name, and nothing without a token.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from georeplicate import files, manifest
from georeplicate.files import Problem

# Settings that a reader of a card wants, by stage; those that a stage does not have are left out.
_SETTINGS = (
    *("sft_steps", "sft_batch", "sft_learning_rate", "rl_steps", "prompts_per_update", "group_size", "learning_rate"),
    *("beta", "epsilon", "temperature", "top_k", "max_completion_length", "reward_mode", "reward_weights", "adapters"),
    *("lora_rank", "lora_alpha", "rollouts", "precision", "freeze_vision", "n_train_sites", "k", "negatives"),
)
# What of each folder goes: weights and what belongs to them, or records and their card.
POLICY = ("README.md", "*.safetensors", "*.json", "*.jinja", "*.txt", "*.model", "SHA256SUMS")
RECORDS = ("README.md", "accepted/*.parquet", "rejected/*.parquet")


class ShareError(Problem):
    """Something cannot be shared; one sentence with its remedy."""


def model_card(folder: str | Path) -> str:
    """The card of a finished run, as Markdown with the hub's header; FileError where the run is not finished."""
    from georeplicate.evaluation import predict, seeds

    folder = Path(folder)
    found = manifest.read(folder)
    run, settings, trained = found["run"], found["settings"], found["training"]
    rows = predict.read(folder / "predictions.csv")
    synthetic = any("synthetic" in name for name in found["benchmarks"].values())
    inputs = trained["inputs"]["settings"] if trained else {}
    table = [f"| `{name}` | {settings[name]} |" for name in _SETTINGS if name in inputs and name in settings]
    measured = []
    for (task, decoding), part in rows.groupby(["task", "decoding"], sort=False):
        known = part[part.truth != ""]
        if len(known):
            right = (known.choice == known.truth).to_numpy(float)
            low, high = seeds.wilson_counted(int(right.sum()), len(right))
            measured.append(
                f"| {found['benchmarks'][task]}: {task} | {decoding} | {len(right)} | {right.mean():.3f} "
                f"[{low:.3f}, {high:.3f}] |"
            )
    base = settings["model"] + (f"@{settings['revision']}" if settings.get("revision") else "")
    header = ["---", "library_name: transformers", "pipeline_tag: image-text-to-text", "tags: [geolocation, grpo, trl]"]
    header += [f"base_model: {settings['model']}"] if "/" in settings["model"] else []
    notice = (
        "Trained and evaluated on **synthetic, rendered pictures**: it cannot locate a photograph."
        if synthetic
        else "It guesses where photographs were taken and is often wrong; do not use it on people who did not agree."
    )
    machine = found["machine"]
    how = [f"{found['device']} ({machine['cpu']})", *([f"{trained['seconds']:,.0f} s"] if trained else [])]
    if trained and "engine" in trained:
        how.append(f"{trained['processes']} processes, {trained['engine']}")
    lines = [
        *header,
        "---",
        "",
        f"# {run['system']}, {run['name']}",
        "",
        notice,
        "",
        f"Stage `{run['stage']}` from {base if run['start'] == 'base' else run['start']}, seed {run['seed']}; in the "
        f"replication of Geo-R1 (arXiv 2510.00072) it stands for {run['stands_for'] or 'no system of the paper'}, and "
        "it is not the paper's model.",
        "",
        f"- trained on: {settings['source']}, data {found['data_sha256'][:12]}",
        f"- trained with: {', '.join(how)}; code {str(found['git'].get('commit'))[:12]}"
        f"{', changed' if found['git'].get('dirty') else ''}",
        "- versions: " + ", ".join(f"{name} {version}" for name, version in found["versions"].items()),
        *([f"- licence: none of ours; that of {settings['model']} and the terms of {settings['source']} hold for what "
           "was made of them: state them in the header before others use it"] if "/" in settings["model"] else []),
        f"- weights: SHA-256 of their list {found['policy'][:12]}"
        f"{'; key of the training ' + trained['key'][:12] if trained else ''}",
        "",
        "## Settings",
        "",
        "| setting | value |",
        "| --- | --- |",
        *table,
        "",
        "## Measured",
        "",
        "Share of right answers with 95 % intervals (Wilson) over questions of one training seed.",
        "",
        "| test set | decoding | n | right |",
        "| --- | --- | ---: | ---: |",
        *measured,
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def write_card(folder: str | Path) -> Path:
    """Writes the card into the run's policy, as README.md, which its checksum does not count."""
    policy = Path(folder) / "policy"
    if not policy.is_dir():
        raise ShareError(f"{folder} has no policy of its own: a run of the base is evaluated, not trained")
    return files.write_bytes(policy / "README.md", model_card(folder).encode())


def push(folder: str | Path, to: str, *, public: bool = False) -> str:
    """Uploads a finished run's policy with its card, or a finished run of the data engine; returns its address.

    ShareError where there is no token, or the hub refuses; nothing is uploaded then.
    """
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError

    folder = Path(folder)
    found: dict[str, Any] = manifest.read(folder)
    records = "run" not in found
    if to.count("/") != 1:
        raise ShareError(f"--to names OWNER/NAME on the hub, got {to!r}")
    token = huggingface_hub.get_token()
    if not token:
        raise ShareError("there is no token of the hub: log in with `hf auth login` or set HF_TOKEN; nothing was sent")
    if not records:
        write_card(folder)
    kind, source, patterns = ("dataset", folder, RECORDS) if records else ("model", folder / "policy", POLICY)
    hub = huggingface_hub.HfApi(token=token)
    try:
        address = hub.create_repo(to, repo_type=kind, private=not public, exist_ok=True)
        if not public and not hub.repo_info(to, repo_type=kind).private:
            raise ShareError(f"{to} is there already and public: name another, or let everybody see it (--public)")
        hub.upload_folder(
            repo_id=to, repo_type=kind, folder_path=source, allow_patterns=list(patterns),
            commit_message="From georeplicate",
        )  # fmt: skip
    except (HfHubHTTPError, OSError) as error:
        raise ShareError(f"the hub took nothing as {to}: {' '.join(str(error).split())[:200]}") from None
    return str(address)
