import type { Log } from '../report/log.js';
import { createLog } from '../report/log.js';
import { modelsFolder } from '../system/package.js';
import type { Command, WorkCommand } from './command.js';

/** A command that one process runs, without MPI. */
export type SoloCommand = Exclude<Command, WorkCommand>;

/** Runs a command and returns its exit code. Loads its code only now, so that jobs do not pay for it. */
export async function runCommand(command: SoloCommand, log: Log, version: string): Promise<number> {
  switch (command.kind) {
    case 'text':
      process.stdout.write(command.text);
      return 0;
    case 'doctor': {
      const { runDoctor } = await import('./doctor/run-doctor.js');
      return runDoctor(command.json);
    }
    case 'models': {
      const { listModelsCommand } = await import('./models/run-models.js');
      return listModelsCommand(modelsFolder(), command.json);
    }
    case 'inspect': {
      const { inspectModel } = await import('./models/inspect.js');
      return inspectModel(command.file, command.json);
    }
    case 'compare': {
      const { compareVideos } = await import('../job/compare/compare.js');
      await compareVideos(command.options, version);
      return 0;
    }
    case 'probe': {
      const { probeCommand } = await import('./probe/run-probe.js');
      return probeCommand(command, log);
    }
    case 'plan': {
      const { planCommand } = await import('./plan/run-plan.js');
      return planCommand(command.options, version);
    }
    case 'retry': {
      const { retry } = await import('./retry/run-retry.js');
      return retry(command.times, command.command, log);
    }
    case 'completion': {
      const { printCompletionScript } = await import('./completion.js');
      return printCompletionScript();
    }
    case 'complete': {
      const { printCompletions } = await import('./completion.js');
      return printCompletions(command.words);
    }
    case 'slurm': {
      const { runSlurm } = await import('./slurm/run-slurm.js');
      return runSlurm(command.command, log);
    }
    case 'k8s': {
      const { runKubernetes } = await import('./k8s/run-k8s.js');
      return runKubernetes(command.command, log);
    }
    case 'watch': {
      const { runWatch } = await import('./watch/run-watch.js');
      return runWatch(command.command);
    }
    case 'aml': {
      const { runAml } = await import('./aml/run-aml.js');
      const { logFormat, verbosity } = command.command;
      return runAml(command.command, createLog(logFormat, verbosity), version);
    }
    case 'azure': {
      const { runDeploy } = await import('./deploy/run-deploy.js');
      const { logFormat, verbosity } = command.command;
      return runDeploy(command.command, createLog(logFormat, verbosity), version);
    }
  }
}
