import protobuf from 'protobufjs/light.js';

/** A field's number, its type, and whether there are several of it, or one for each of any texts. */
export type Field = readonly [id: number, type: string, kind?: 'repeated' | 'map'];

/** Messages by name, their fields by name. */
export type Messages = Readonly<Record<string, Readonly<Record<string, Field>>>>;

/**
 * Types of protobuf messages.
 * @param oneOf of each message, the fields of which one is set, and written even where it is 0 or false
 */
export function protobufTypes(
  messages: Messages,
  oneOf: Readonly<Record<string, readonly string[]>> = {},
): protobuf.Root {
  const nested = Object.entries(messages).map(([message, fields]) => {
    const one = oneOf[message];
    const described = Object.entries(fields).map(([name, [id, type, kind]]) => {
      if (kind === 'map') return [name, { id, type, keyType: 'string' }];
      return [name, { id, type, ...(kind && { rule: kind }) }];
    });
    return [message, { fields: Object.fromEntries(described), ...(one && { oneofs: { one: { oneof: [...one] } } }) }];
  });
  return protobuf.Root.fromJSON({ nested: Object.fromEntries(nested) });
}
