"""A small library behind the notebooks: pairs -> data engine -> SFT -> GRPO -> evaluation -> tables and maps.

Map of the package, from what knows least to what knows most (imports run upwards in this list only):

    geo          kilometres, thresholds, GeoScore, neighbours; the only file that knows the Earth's radius
    coordinates  latitude and longitude as people and models write them
    profiles     Profile.get("smoke" | "mini" | "small" | "single_gpu" | "paper"): sizes and settings, frozen, checked
    record       run manifest, atomic writes, checksums
    paper        the paper's numbers, claims and our deviations, as data
    atlas        what is true at a coordinate: land cover, climate, elevation, sun, country facts, gazetteer, geocoder
    world        the synthetic cross-view world: facts -> scene -> ground panorama and aerial tile
    pairs        cross-view pairs, hard negatives, the question
    prompts      templates, and the parser of answers
    rewards      four pure rewards in two modes: as described in the paper, as released in the official code
    policy       the vision-language model: load, generate, token log-probabilities
    base         how the mini base model was made, stage by stage
    prefix       a prompt shared by all answers of a group, computed once
    checkpoint   checkpoints that are complete or refused
    training     what the two stages share: data order, exact resumption
    sft, grpo    the two training stages
    engine       the data engine: facts -> teacher -> fact check -> supervised records
    evaluate     answers -> rows -> shares with intervals
    experiment   the runs of the mini experiment
    plots, maps  figures and maps, pure functions of rows; only maps knows Cartopy
    docs         pages made from the code: rewards, malformed answers, what is known of the paper
    reproduce    runs the notebooks in order and decides whether each really finished
    gate         is the world learnable, and free of shortcuts?
    bench, bench_rewards, bench_grpo    sizes and speeds on this machine

Nothing is imported here, so that ``import georeplicate.geo`` does not load torch.
"""

__version__ = "0.1.0"
