import { JobError } from '../system/errors.js';
import { at, textAt } from './json.js';
import type { RestClient } from './rest-client.js';
import type { Workspace } from './workspace.js';

const API_VERSION = '2020-02-02';

/** The variables with which a job sends its telemetry, signed in as the cluster's identity. */
export function telemetryVariables(connectionString: string): Readonly<Record<string, string>> {
  return {
    APPLICATIONINSIGHTS_CONNECTION_STRING: connectionString,
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'Authorization=AAD',
  };
}

/**
 * Reads the connection string of the workspace's Application Insights. Jobs' records show it, so it must be
 * no secret: an identity must be needed too.
 *
 * @throws {JobError} cloud: when the workspace has none.
 * @throws {JobError} usage: when whoever knows the string may send.
 */
export async function readTelemetry(
  { client, workspace }: { readonly client: RestClient; readonly workspace: Workspace },
  component: string | undefined,
): Promise<Readonly<Record<string, string>>> {
  if (component === undefined) {
    throw new JobError('cloud', `the workspace ${workspace.name} has no Application Insights`, {
      hint: 'omit --application-insights',
    });
  }
  const doing = 'reading the Application Insights of the workspace';
  const url = `${client.management}${component}?api-version=${API_VERSION}`;
  const { body } = await client.send({ method: 'GET', url, doing });
  const string = textAt(body, 'properties', 'ConnectionString');
  if (string === undefined) throw new JobError('cloud', `${doing} failed: no connection string`);
  if (at(body, 'properties', 'DisableLocalAuth') === true) return telemetryVariables(string);
  throw new JobError(
    'usage',
    'the Application Insights takes telemetry from whoever knows its connection string, which jobs would show',
    {
      hint: `require an identity: az resource update --ids ${component} --set properties.DisableLocalAuth=true`,
    },
  );
}
