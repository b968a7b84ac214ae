import { z } from 'zod';
import { notesOf, type OptionKey, trainSchema } from './schema.ts';

/** How help writes an option's value: its unit or its choices; undefined for a switch. */
export function valueName(key: OptionKey): string | undefined {
  return notesOf(key).value ?? jsonSchemaOf(key).enum?.join('|');
}

/** An option's default as help shows it. */
export function defaultText(key: OptionKey): string {
  const { fallback } = notesOf(key);
  if (fallback !== undefined) return fallback;
  const field = trainSchema.shape[key];
  return 'defaultValue' in field.def ? String(field.def.defaultValue) : 'none';
}

interface JsonSchema {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly JsonSchema[];
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly exclusiveMaximum?: number;
}

/** The values that an option takes, in words. */
export function expectedText(key: OptionKey): string {
  return notesOf(key).expected ?? valueText(jsonSchemaOf(key));
}

function jsonSchemaOf(key: OptionKey): JsonSchema {
  return z.toJSONSchema(trainSchema.shape[key], { io: 'input' }) as JsonSchema;
}

function valueText(schema: JsonSchema): string {
  if (schema.anyOf) return schema.anyOf.map(valueText).join(' or ');
  if (schema.enum) return schema.enum.join(', ').replace(/, ([^,]*)$/, ' or $1');
  if (schema.const !== undefined) return String(schema.const);
  switch (schema.type) {
    case 'integer':
      return `a whole number from ${schema.minimum} to ${schema.maximum}`;
    case 'number': {
      const low = schema.exclusiveMinimum === undefined ? `from ${schema.minimum}` : `above ${schema.exclusiveMinimum}`;
      const high = schema.exclusiveMaximum === undefined ? `to ${schema.maximum}` : `below ${schema.exclusiveMaximum}`;
      return `a number ${low} ${high}`;
    }
    case 'boolean':
      return 'true or false';
    default:
      return 'a text that is not empty';
  }
}
