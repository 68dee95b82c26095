#!/bin/bash
# Not run by us: no cluster was at hand.
# An example for two nodes with eight GPUs each, which see the same folder; copy it, and change what your cluster calls
# otherwise. 16 processes want 16 prompts an update, or a multiple (the profile's prompts_per_update), and for SFT 16
# records.
#SBATCH --job-name=geo-sft
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
set -euo pipefail
export OMP_NUM_THREADS=8
# srun no longer takes the cores of a task from sbatch, since Slurm 22.05.
export HEAD=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export CONFIG=$(python -c 'from georeplicate.training.launch import config; print(config("fsdp2"))')
# What is launched runs once on each node, and there once for each GPU; only process 0 writes, fetches and prints.
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" bash -c 'accelerate launch --config_file "$CONFIG" --num_machines 2 --num_processes 16 \
  --machine_rank "$SLURM_NODEID" --main_process_ip "$HEAD" --main_process_port 29500 \
  -m georeplicate train sft --profile paper --root "$DATA"'
