#!/bin/bash
# Not run by us: no cluster was at hand.
# An example for one node with eight GPUs; copy it, and change what your cluster calls otherwise.
#SBATCH --job-name=geo-r1
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --time=48:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
# A job that was ended, or requeued, goes on from its newest checkpoint.
set -euo pipefail
export OMP_NUM_THREADS=8
# srun no longer takes the cores of a task from sbatch, since Slurm 22.05.
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" georeplicate train r1 --profile paper --root "$DATA" --launch fsdp2 --gpus 8
