# The common part of the batch scripts in this folder; each sources it. run_job runs one job of framescatter
# on the ranks of this allocation, and requeues it if the time limit comes before its end.
#
# Environment variables:
#   FRAMESCATTER_HOME              the folder of the program, on every node (the batch scripts set it)
#   FRAMESCATTER_LAUNCHER          srun (default) or mpirun
#   FRAMESCATTER_MPI               srun's --mpi, default pmix
#   FRAMESCATTER_LAUNCHER_OPTIONS  more options of the launcher, split at spaces
#   FRAMESCATTER_IMAGE             a container image to run the ranks in
#   FRAMESCATTER_CONTAINER_RUNTIME apptainer (default), or pyxis: Slurm's plug-in for Enroot
#   FRAMESCATTER_MOUNTS            with pyxis: folders that containers see, split at commas, default the job's folder
#   FRAMESCATTER_RESTARTS          the maximum number of requeues of a job, default 50
# shellcheck shell=bash
set -uo pipefail

readonly STOPPED=75 # the exit code of the program if it was stopped and the same command resumes it

say() { printf 'framescatter: %s\n' "$*" >&2; }
die() { # MESSAGE [EXIT CODE]
  printf 'framescatter: error: %s\n' "$1" >&2
  exit "${2:-1}"
}

step='' # the launcher's pid
asked=0 # asked to stop because the time limit is near
ended=0 # Slurm is ending the job: scancel or preemption
caught=0
scratch=''

# Signals only rank 0, which runs on this node: srun would pass the signal on to all processes of the ranks,
# and ffmpeg would die of it. Before rank 0 has started, signals the launcher, which then ends.
on_time_nearly_over() {
  caught=1 asked=1
  [[ -n $step ]] || return 0
  kill -USR2 "$(cat "$scratch/rank-0" 2>/dev/null || printf '%s' "$step")" 2>/dev/null || true
}

# The command of each rank. Rank 0 writes its pid to the file that on_time_nearly_over reads. The variables
# are those of src/mpi/launcher.ts.
# shellcheck disable=SC2016 # for the rank's shell
readonly RANK='for name in OMPI_COMM_WORLD_RANK PMIX_RANK MV2_COMM_WORLD_RANK PMI_RANK PALS_RANKID ALPS_APP_PE SLURM_PROCID; do
  [[ -z ${!name:-} ]] || break
done
[[ ${!name:-} != 0 ]] || printf %s $$ >"$TMPDIR/rank-0"
exec "$@"'

# Slurm signals the ranks itself, and a second signal would make them discard the frames in flight.
on_end() { caught=1 ended=1; }

# Runs a job on all ranks of the allocation. Returns its exit code, or does not return if the job was stopped
# before its end and requeued.
run_job() { # ARGUMENTS...
  local code=0 launcher=() program=() threads=()
  trap on_time_nearly_over USR1
  trap on_end TERM
  trap remove_scratch EXIT
  # --cpus-per-task exports SLURM_TRES_PER_TASK since Slurm 23.11, and srun refuses it together with
  # --ntasks-per-gpu.
  [[ -z ${SLURM_NTASKS_PER_GPU:-} ]] || unset SLURM_TRES_PER_TASK
  check_host
  make_scratch
  rank_program
  rank_launcher
  # The cores of a rank, bound or not. The program's default divides the visible cores by the ranks of the
  # node.
  [[ -z ${SLURM_CPUS_PER_TASK:-} || " $* " == *' --threads'[\ =]* ]] || threads=(--threads "$SLURM_CPUS_PER_TASK")
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
    say 'Slurm ended the job; submit it again with the same arguments to resume it'
  elif ((code != 0)) && { ((asked || code == STOPPED)) || preempted; }; then
    continue_later
    code=$STOPPED
  fi
  return "$code"
}

check_host() {
  [[ -n ${FRAMESCATTER_IMAGE:-} ]] || command -v node >/dev/null ||
    die "node is missing on $(hostname): load its module before sbatch, or add it to the PATH"
}

# Returns the exit code of the launcher. A trapped signal interrupts `wait`, so it waits again.
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
  if [[ ${FRAMESCATTER_CONTAINER_RUNTIME:-apptainer} == pyxis ]]; then
    program=(bash -c "$RANK" rank node /opt/framescatter/dist/main.js)
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
      # Without PMI, every rank would run as the only one.
      srun --mpi=list 2>&1 | grep -qw -- "$mpi" ||
        die "this Slurm lacks the MPI plug-in $mpi (srun --mpi=list): set FRAMESCATTER_LAUNCHER=mpirun"
      # Unbound, so that decoder and encoder of rank 0 can use cores that the other ranks of its node leave
      # idle. Since Slurm 22.05, srun does not inherit --cpus-per-task from sbatch. If a rank dies, the others
      # must not wait for it.
      launcher=(srun --mpi="$mpi" --kill-on-bad-exit=1 --cpu-bind=none)
      [[ -z ${SLURM_CPUS_PER_TASK:-} ]] || launcher+=(--cpus-per-task="$SLURM_CPUS_PER_TASK")
      use_pyxis
      ;;
    mpirun)
      [[ -z ${FRAMESCATTER_IMAGE:-} || ${FRAMESCATTER_CONTAINER_RUNTIME:-apptainer} != pyxis ]] ||
        die 'Pyxis starts containers through srun: FRAMESCATTER_LAUNCHER=mpirun is not for it' 2
      # mpirun starts one daemon per node with srun --ntasks-per-node, which conflicts with this variable.
      unset SLURM_NTASKS_PER_GPU
      launcher=(mpirun --bind-to none)
      ;;
    *) die "FRAMESCATTER_LAUNCHER must be srun or mpirun, not $FRAMESCATTER_LAUNCHER" 2 ;;
  esac
  launcher+=("${more[@]}")
}

# Has srun start the ranks in containers, if Pyxis is asked for.
use_pyxis() {
  [[ -n ${FRAMESCATTER_IMAGE:-} && ${FRAMESCATTER_CONTAINER_RUNTIME:-apptainer} == pyxis ]] || return 0
  srun --help 2>&1 | grep -q -- --container-image ||
    die 'this Slurm lacks the plug-in Pyxis (srun --help names no --container-image): use an Apptainer image'
  local mounts=$scratch:$scratch folder
  local -a folders=()
  IFS=, read -ra folders <<<"${FRAMESCATTER_MOUNTS:-$PWD}"
  for folder in "${folders[@]}"; do mounts+=,$folder:$folder; done
  launcher+=(--container-image="$FRAMESCATTER_IMAGE" --container-mounts="$mounts" --container-workdir="$PWD")
}

# Creates a folder on the local disk of every node for temporary files, such as MPI's session files. The
# journal does not go there, since other nodes must be able to read it.
make_scratch() {
  local base=${SLURM_TMPDIR:-${TMPDIR:-/tmp}}
  [[ -d $base && -w $base ]] || base=/tmp
  scratch=$(mktemp -d "$base/framescatter.XXXXXXXX") || die "cannot create a folder in $base on $(hostname)"
  on_other_nodes mkdir -p -m 700 -- "$scratch" || die "cannot create $scratch on every node of $SLURM_JOB_NODELIST"
}

remove_scratch() {
  [[ -n $scratch ]] || return 0
  # A job that is ending cannot start job steps.
  ((ended)) || on_other_nodes rm -rf -- "$scratch" || true
  rm -rf -- "$scratch"
  scratch=''
}

on_other_nodes() { # COMMAND...
  ((${SLURM_JOB_NUM_NODES:-1} == 1)) ||
    env -u SLURM_NTASKS_PER_GPU srun --nodes="$SLURM_JOB_NUM_NODES" --ntasks="$SLURM_JOB_NUM_NODES" --ntasks-per-node=1 --mpi=none --quiet "$@"
}

# Prints Slurm's name of the job. The job number of the last array element is that of the whole array.
job_name() {
  printf '%s' "${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}"
}

# Succeeds if this job is being preempted and is in its grace time. Slurm then sends TERM to all processes of
# the ranks, including ffmpeg, so the ranks may end in any way.
preempted() { [[ $(scontrol --oneliner show job "$(job_name)" 2>/dev/null) == *' PreemptTime='[0-9]* ]]; }

# Requeues the batch job and ends this run of it. Returns if it cannot be requeued.
continue_later() {
  local job restarts=${SLURM_RESTART_COUNT:-0}
  job=$(job_name)
  if ((restarts >= ${FRAMESCATTER_RESTARTS:-50})); then
    say "not requeued after $restarts times: --time may be too short for any progress"
    return
  fi
  # A cancelled job must not be requeued.
  [[ $(squeue --noheader --jobs="$job" --format=%T 2>/dev/null) == RUNNING ]] || return 0
  remove_scratch
  say 'stopped before the end; the job is requeued and will resume'
  scontrol requeue "$job" && exit 0
  say 'the job cannot be requeued here: submit it again with the same arguments to resume it'
}
