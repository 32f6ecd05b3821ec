# What the batch scripts of this folder share; each sources it. run_job is the whole of it: one job of framescatter on the
# ranks of this allocation, which goes back to the queue by itself when its time ends before its work.
#
# Read from the environment:
#   FRAMESCATTER_HOME              where the program lies, on every node (the batch scripts find it themselves)
#   FRAMESCATTER_LAUNCHER          srun (default) or mpirun
#   FRAMESCATTER_MPI               srun's --mpi, default pmix
#   FRAMESCATTER_LAUNCHER_OPTIONS  more options of the launcher, split at spaces
#   FRAMESCATTER_IMAGE             an Apptainer image to run the ranks in
#   FRAMESCATTER_RESTARTS          how often a job may be requeued, default 50
# shellcheck shell=bash
set -uo pipefail

readonly STOPPED=75 # the program's exit code for: stopped, and the same command goes on from there

say() { printf 'framescatter: %s\n' "$*" >&2; }
die() { # MESSAGE [EXIT CODE]
  printf 'framescatter: error: %s\n' "$1" >&2
  exit "${2:-1}"
}

step='' # the launcher's pid
asked=0 # asked to stop, because the time is nearly over
ended=0 # Slurm is ending the job: scancel or pre-emption
caught=0
scratch=''

# Only the root needs to know, and it runs on this node. srun passes signals on to all processes of a rank: ffmpeg would
# die of this one. Before the root is there, the launcher is told, which ends the little that runs.
on_time_nearly_over() {
  caught=1 asked=1
  [[ -n $step ]] || return 0
  kill -USR2 "$(cat "$scratch/root" 2>/dev/null || printf '%s' "$step")" 2>/dev/null || true
}

# What each rank runs: the root leaves its pid where on_time_nearly_over finds it. The variables are those of
# src/mpi/launcher.ts.
# shellcheck disable=SC2016 # for the rank's shell
readonly RANK='for name in OMPI_COMM_WORLD_RANK PMIX_RANK MV2_COMM_WORLD_RANK PMI_RANK PALS_RANKID ALPS_APP_PE SLURM_PROCID; do
  [[ -z ${!name:-} ]] || break
done
[[ ${!name:-} != 0 ]] || printf %s $$ >"$TMPDIR/root"
exec "$@"'

# Slurm tells the ranks itself, and a second signal would have them drop what they are finishing.
on_end() { caught=1 ended=1; }

# Runs a job on every rank of the allocation with these ARGUMENTS. Returns its exit code, or does not return: when it was
# stopped before its end, the batch job is requeued and continues later.
run_job() { # ARGUMENTS...
  local code=0 launcher=() program=() threads=()
  trap on_time_nearly_over USR1
  trap on_end TERM
  trap remove_scratch EXIT
  # --cpus-per-task exports it since Slurm 23.11, and srun refuses it beside this one of --ntasks-per-gpu.
  [[ -z ${SLURM_NTASKS_PER_GPU:-} ]] || unset SLURM_TRES_PER_TASK
  check_host
  make_scratch
  rank_program
  rank_launcher
  # Bound or not, a rank has this many cores. The program's own guess divides what a rank sees by the ranks of a node.
  [[ -z ${SLURM_CPUS_PER_TASK:-} ]] || threads=(--threads "$SLURM_CPUS_PER_TASK")
  say "job $SLURM_JOB_ID, run $((${SLURM_RESTART_COUNT:-0} + 1)): ${SLURM_NTASKS:-1} ranks on $SLURM_JOB_NODELIST"

  if ((!asked && !ended)); then
    TMPDIR=$scratch "${launcher[@]}" "${program[@]}" "${threads[@]}" "$@" &
    step=$!
    await_step || code=$?
    step=''
  else
    code=$STOPPED
  fi
  if ((ended)); then
    say 'Slurm ended the job; submitted again with the same arguments it goes on from there'
  elif ((code != 0)) && { ((asked || code == STOPPED)) || pre_empted; }; then
    continue_later
    code=$STOPPED
  fi
  return "$code"
}

check_host() {
  [[ -n ${FRAMESCATTER_IMAGE:-} ]] || command -v node >/dev/null ||
    die "node is not found on $(hostname): load its module before sbatch, or put it on the PATH"
}

# The exit code of the launcher. A trapped signal interrupts `wait`, which then tells nothing of the launcher.
await_step() {
  local code
  while true; do
    caught=0 code=0
    wait "$step" || code=$?
    ((caught)) || return "$code"
  done
}

rank_program() {
  if [[ -z ${FRAMESCATTER_IMAGE:-} ]]; then
    [[ -f $FRAMESCATTER_HOME/dist/main.js ]] ||
      die "$FRAMESCATTER_HOME/dist/main.js is missing on $(hostname): build it (bash scripts/setup.sh), on storage that all nodes share"
    program=(bash -c "$RANK" rank node "$FRAMESCATTER_HOME/dist/main.js")
    return
  fi
  program=(apptainer exec --bind "$scratch")
  [[ -z ${SLURM_JOB_GPUS:-} ]] || program+=(--nv)
  program+=("$FRAMESCATTER_IMAGE" bash -c "$RANK" rank node /opt/framescatter/dist/main.js)
}

rank_launcher() {
  local mpi=${FRAMESCATTER_MPI:-pmix} more=()
  read -ra more <<<"${FRAMESCATTER_LAUNCHER_OPTIONS:-}" || true
  case ${FRAMESCATTER_LAUNCHER:-srun} in
    srun)
      # Without its PMI every rank would take itself for the only one.
      srun --mpi=list 2>&1 | grep -qw -- "$mpi" ||
        die "this Slurm has no MPI plugin $mpi (srun --mpi=list): set FRAMESCATTER_LAUNCHER=mpirun"
      # Unbound, so that the root's decoder and encoder use what cores the other ranks of its node leave idle. srun does
      # not take --cpus-per-task over from sbatch since Slurm 22.05. A rank that dies must not leave the others waiting.
      launcher=(srun --mpi="$mpi" --kill-on-bad-exit=1 --cpu-bind=none)
      [[ -z ${SLURM_CPUS_PER_TASK:-} ]] || launcher+=(--cpus-per-task="$SLURM_CPUS_PER_TASK")
      ;;
    mpirun)
      # mpirun starts a daemon a node with srun --ntasks-per-node, which refuses this variable beside it.
      unset SLURM_NTASKS_PER_GPU
      launcher=(mpirun --bind-to none)
      ;;
    *) die "FRAMESCATTER_LAUNCHER is srun or mpirun, not $FRAMESCATTER_LAUNCHER" 2 ;;
  esac
  launcher+=("${more[@]}")
}

# A folder on every node's own disk for what need not outlast this run: MPI's session files and the like. Never the
# journal, which another node must be able to read.
make_scratch() {
  local base=${SLURM_TMPDIR:-${TMPDIR:-/tmp}}
  [[ -d $base && -w $base ]] || base=/tmp
  scratch=$(mktemp -d "$base/framescatter.XXXXXXXX") || die "no folder can be made in $base on $(hostname)"
  on_other_nodes mkdir -p -m 700 -- "$scratch" || die "$scratch cannot be made on every node of $SLURM_JOB_NODELIST"
}

remove_scratch() {
  [[ -n $scratch ]] || return 0
  # A job that is being ended can start nothing more.
  ((ended)) || on_other_nodes rm -rf -- "$scratch" || true
  rm -rf -- "$scratch"
  scratch=''
}

on_other_nodes() { # COMMAND...
  ((${SLURM_JOB_NUM_NODES:-1} == 1)) ||
    env -u SLURM_NTASKS_PER_GPU srun --nodes="$SLURM_JOB_NUM_NODES" --ntasks="$SLURM_JOB_NUM_NODES" --ntasks-per-node=1 --mpi=none --quiet "$@"
}

# Slurm calls the job by this. The last element of an array bears the number of the whole array.
job_name() {
  printf '%s' "${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}"
}

# Whether this job has been told to make room and is in its time of grace. Slurm gives TERM to every process of the ranks
# then, ffmpeg too, so the ranks may end in any way.
pre_empted() { [[ $(scontrol --oneliner show job "$(job_name)" 2>/dev/null) == *' PreemptTime='[0-9]* ]]; }

# Puts the batch job back into the queue and ends this run of it; returns where that cannot be.
continue_later() {
  local job restarts=${SLURM_RESTART_COUNT:-0}
  job=$(job_name)
  if ((restarts >= ${FRAMESCATTER_RESTARTS:-50})); then
    say "requeued $restarts times already: is --time long enough for it to get anywhere?"
    return
  fi
  # A cancelled job must not come back.
  [[ $(squeue --noheader --jobs="$job" --format=%T 2>/dev/null) == RUNNING ]] || return 0
  remove_scratch
  say 'stopped before the end; the job goes back into the queue and continues from there'
  scontrol requeue "$job" && exit 0
  say 'it cannot be requeued here: submit it again with the same arguments, and it goes on from there'
}
