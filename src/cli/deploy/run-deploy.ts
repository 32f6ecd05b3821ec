import * as fs from 'node:fs/promises';
import type { Session } from '../../cloud/aml-provision.js';
import { readContext } from '../../cloud/deploy/build-context.js';
import { deployAll } from '../../cloud/deploy/deploy.js';
import type { DeployRequest } from '../../cloud/deploy/deployment.js';
import { type LocalFilm, styleFilm } from '../../cloud/deploy/film.js';
import { wantedImage } from '../../cloud/deploy/image.js';
import { planDeployment, planRemoval } from '../../cloud/deploy/plan.js';
import { createTransfer } from '../../cloud/deploy/transfer.js';
import { undeploy } from '../../cloud/deploy/undeploy.js';
import { createRestClient, httpsOrigin, PUBLIC_CLOUD } from '../../cloud/rest-client.js';
import { defaultCredential, tokensOf } from '../../cloud/tokens.js';
import type { Log } from '../../report/log.js';
import { printable, printableJson } from '../../report/printable.js';
import { JobError, OutputExists } from '../../system/errors.js';
import { packageRoot } from '../../system/package.js';
import { openScratch } from '../../system/scratch.js';
import type { DeployCommand } from './parse-deploy.js';

/**
 * Runs `deploy azure` or `undeploy azure` and returns the exit code. Standard output gets the address of the
 * styled film or, with --dry-run, the requests as JSON.
 *
 * @throws {JobError} when a step fails; the same command goes on there.
 */
export async function runDeploy(
  command: DeployCommand,
  log: Log,
  release: string,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<number> {
  const management = httpsOrigin(environment.AZURE_RESOURCE_MANAGER_URL || PUBLIC_CLOUD);
  const tokens = tokensOf(defaultCredential);
  const client = createRestClient({ tokens, version: release, management });
  if (command.kind === 'undeploy') {
    if (command.dryRun) say(printableJson(planRemoval(management, command.place), 2));
    else await undeploy({ client, log }, command.place, command.sure);
    return 0;
  }
  const { request, film, model } = command;
  if (film !== undefined) await checkFilm(film);
  const context = request.image === undefined ? await readContext(packageRoot()) : undefined;
  const wanted = wantedImage(request, release, context);
  if (command.dryRun) {
    say(printableJson(planDeployment(management, request, wanted, release), 2));
    return 0;
  }
  const work = { client, log, tokens, transfer: createTransfer() };
  const deployed = await deployAll(work, request, wanted);
  const { subscription, resourceGroup } = request;
  const workspace = { subscription, resourceGroup, name: deployed.workspace };
  const session: Session = { client, workspace, log, release };
  await using scratch = openScratch();
  const result = await styleFilm(session, request, deployed, { film, model, scratch }, ({ link }) =>
    log.info(`the job in the studio: ${link}`),
  );
  say(printable(film?.output ?? result));
  sayNext(log, request, film);
  return 0;
}

/** Refuses what could only fail after the deployment. */
async function checkFilm({ input, output, overwrite }: LocalFilm): Promise<void> {
  const isFile = await fs.stat(input).then(
    (stats) => stats.isFile(),
    () => false,
  );
  if (!isFile) throw new JobError('input', `there is no file ${input}`);
  const exists = await fs.lstat(output).then(
    () => true,
    () => false,
  );
  if (exists && !overwrite) throw new OutputExists(output);
}

function sayNext(log: Log, { location, resourceGroup }: DeployRequest, film: LocalFilm | undefined): void {
  if (film === undefined)
    log.info(
      `your own film: framescatter deploy azure FILM OUTPUT --location ${location} (and the options given now)`,
    );
  log.info(`to delete all of it: framescatter undeploy azure --resource-group ${resourceGroup}`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
