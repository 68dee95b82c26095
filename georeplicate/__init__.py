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
    weights      the mini base model, as `make base` left it
    places       what mini policies are shown: the places of a split as questions and as single views
    evaluate     a policy's answers, one row each, with what they were right about
    readiness    is a policy ready for reinforcement learning?
    stages       how one run is trained: rows, reward, settings
    workers      tasks on worker processes, with one progress bar
    experiment   the runs of the mini experiment: which there are, and whether each is up to date
    golden       a tiny fixed training that fails when numbers move without a new version
    seeds        intervals over few seeds, smallest effects, equivalence
    readings     answers read again: first place named, own verdicts, word by word
    rulers       how far one gets without looking: a random point, the best constant guess
    tables       predictions -> tables with intervals
    thinking     tables of what answers say: rule against perception, words at a fixed mix, what varies
    findings     sentences about results, computed from the tables
    plots, maps  figures and maps, pure functions of rows; only maps knows Cartopy
    report       every table and figure of a folder of runs
    results      what is committed: published, redrawn, compared with a fresh run, checked
    docs         pages made from the code: rewards, malformed answers, what is known of the paper, the model card
    reproduce    runs the notebooks in order and decides whether each really finished
    gate         is the world learnable, and free of shortcuts?
    bench, bench_rewards, bench_grpo    sizes and speeds on this machine

Nothing is imported here, so that ``import georeplicate.geo`` does not load torch.
"""

__version__ = "0.1.0"
