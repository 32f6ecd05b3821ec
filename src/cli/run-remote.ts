import { createLog, type Log } from '../report/log.js';
import type { ElsewhereCommand } from './remote.js';

/** Runs a command that concerns a cluster; its code is loaded only now, so that jobs do not pay for it. */
export async function runElsewhere(elsewhere: ElsewhereCommand, log: Log, version: string): Promise<number> {
  const { kind, command } = elsewhere;
  if (command.kind === 'text') {
    process.stdout.write(command.text);
    return 0;
  }
  switch (kind) {
    case 'slurm': {
      const { runSlurm } = await import('./slurm/run-slurm.js');
      return runSlurm(command, log);
    }
    case 'k8s': {
      const { runKubernetes } = await import('./k8s/run-k8s.js');
      return runKubernetes(command, log);
    }
    case 'watch': {
      const { runWatch } = await import('./watch/run-watch.js');
      return runWatch(command);
    }
    case 'aml': {
      const { runAml } = await import('./aml/run-aml.js');
      return runAml(command, createLog(command.logFormat, command.verbosity), version);
    }
  }
}
