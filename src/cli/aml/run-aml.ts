import { runToEnd } from '../../cloud/aml-attempts.js';
import { invoke } from '../../cloud/aml-invoke.js';
import { planInvocation, planPublication, planSubmission } from '../../cloud/aml-plan.js';
import type { Session } from '../../cloud/aml-provision.js';
import { publish } from '../../cloud/aml-publish.js';
import { cancelJob, newJobName, type SubmittedJob, submitJob } from '../../cloud/aml-submit.js';
import { createRestClient, httpsOrigin, PUBLIC_CLOUD } from '../../cloud/rest-client.js';
import { defaultCredential, tokensOf } from '../../cloud/tokens.js';
import { idIn, urlOf } from '../../cloud/workspace.js';
import type { Log } from '../../report/log.js';
import { printable, printableJson } from '../../report/printable.js';
import type { AmlCommand } from './parse-aml.js';

/**
 * Runs `submit aml`, `publish aml` or `invoke aml` and returns the exit code. Standard output gets the
 * link to the job, the endpoint's address or, with --dry-run, the requests as JSON.
 *
 * @throws {JobError} cloud: when Azure refuses, or a job that is followed fails.
 */
export async function runAml(
  command: AmlCommand,
  log: Log,
  release: string,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<number> {
  const management = httpsOrigin(environment.AZURE_RESOURCE_MANAGER_URL || PUBLIC_CLOUD);
  if (command.dryRun) {
    process.stdout.write(`${printableJson(plan(command, management, release), 2)}\n`);
    return 0;
  }
  const tokens = tokensOf(defaultCredential);
  const client = createRestClient({ tokens, version: release, management });
  const line = await act(command, { client, workspace: command.workspace, log, release });
  if (line !== undefined) process.stdout.write(`${printable(line)}\n`);
  return 0;
}

async function act(command: AmlCommand, session: Session): Promise<string | undefined> {
  switch (command.kind) {
    case 'submit': {
      const { attempts, wait, ...submission } = command;
      if (!wait) return (await submitJob(session, submission)).link;
      await runToEnd(session, submission, attempts, (job) => sayBegun(session, job));
      return undefined;
    }
    case 'cancel':
      await cancelJob(session, command.job);
      return undefined;
    case 'publish':
      return publish(session, command);
    case 'invoke':
      return (await invoke(session, command.endpoint, command.job)).link;
  }
}

/** Says where a job is at once: it may be hours until it ends. */
function sayBegun({ log }: Session, { name, link }: SubmittedJob): void {
  process.stdout.write(`${printable(link)}\n`);
  log.info(`to end it: framescatter submit aml --cancel ${name}; ending this command does not`);
}

function plan(command: AmlCommand, management: string, release: string) {
  const { workspace } = command;
  const place = { workspace, management, release };
  switch (command.kind) {
    case 'submit':
      return planSubmission(place, command, command.name ?? newJobName());
    case 'cancel':
      return [{ method: 'POST', url: urlOf(management, idIn(workspace, 'jobs', command.job, 'cancel')) }];
    case 'publish':
      return planPublication(place, command);
    case 'invoke':
      return planInvocation(command.job);
  }
}
