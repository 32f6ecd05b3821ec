import { postJson, secureUrl } from './http-exporter.js';
import type { Metric, Sink, Span } from './sink.js';

type Value = string | number | boolean;

const INTERNAL = 1; // SPAN_KIND_INTERNAL
const [OK, ERROR] = [1, 2]; // STATUS_CODE_...

/**
 * Sends spans and metrics to OTEL_EXPORTER_OTLP_ENDPOINT, as OTLP/HTTP in JSON
 * (opentelemetry.io/docs/specs/otlp), with OTEL_EXPORTER_OTLP_HEADERS and OTEL_SERVICE_NAME.
 *
 * @throws {Error} when the endpoint is not an https URL.
 */
export function otlpSink(environment: NodeJS.ProcessEnv, version: string): Sink {
  const endpoint = secureUrl(environment.OTEL_EXPORTER_OTLP_ENDPOINT ?? '');
  if (endpoint === undefined) throw new Error('it is not an https URL');
  const headers = headersIn(environment.OTEL_EXPORTER_OTLP_HEADERS ?? '');
  const service = environment.OTEL_SERVICE_NAME || 'framescatter';
  const resource = { attributes: attributes({ 'service.name': service, 'service.version': version }) };
  const scope = { name: 'framescatter', version };
  return {
    name: 'the OTLP collector',
    async send(metrics, spans, signal) {
      const post = (kind: string, body: unknown) =>
        postJson({ url: `${endpoint}/v1/${kind}`, headers, body, signal });
      if (spans.length > 0) {
        const scopeSpans = [{ scope, spans: spans.map(otlpSpan) }];
        await post('traces', { resourceSpans: [{ resource, scopeSpans }] });
      }
      if (metrics.length > 0) {
        const scopeMetrics = [{ scope, metrics: metrics.map(otlpGauge) }];
        await post('metrics', { resourceMetrics: [{ resource, scopeMetrics }] });
      }
    },
  };
}

function otlpSpan(span: Span) {
  return {
    traceId: span.trace,
    spanId: span.id,
    ...(span.parent === undefined ? {} : { parentSpanId: span.parent }),
    name: span.name,
    kind: INTERNAL,
    startTimeUnixNano: nanoseconds(span.began),
    endTimeUnixNano: nanoseconds(span.ended),
    attributes: attributes(span.attributes),
    status: { code: span.failed ? ERROR : OK },
  };
}

function otlpGauge({ name, value, at, labels }: Metric) {
  const point = { timeUnixNano: nanoseconds(at), asDouble: value, attributes: attributes(labels) };
  return { name: `framescatter.${name}`, gauge: { dataPoints: [point] } };
}

function attributes(values: Readonly<Record<string, Value>>) {
  return Object.entries(values).map(([key, value]) => ({ key, value: otlpValue(value) }));
}

function otlpValue(value: Value) {
  switch (typeof value) {
    case 'string':
      return { stringValue: value };
    case 'boolean':
      return { boolValue: value };
    case 'number':
      return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  }
}

/** Returns nanoseconds as a string: OTLP's JSON has 64-bit integers as strings. */
function nanoseconds(milliseconds: number): string {
  return `${BigInt(Math.round(milliseconds)) * 1_000_000n}`;
}

/** Parses `name=value,name=value`, percent-encoded (W3C baggage). */
function headersIn(text: string): Record<string, string> {
  const pairs = text.split(',').map((pair) => {
    // A value may contain `=`, as Base64 does.
    const [name = '', ...value] = pair.split('=');
    return [name.trim(), value.join('=').trim()] as const;
  });
  return Object.fromEntries(
    pairs.flatMap(([name, value]) => (name && value ? [[name, decoded(value)]] : [])),
  );
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
