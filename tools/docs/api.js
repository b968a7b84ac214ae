// The library's reference by typedoc, from the types and comments of its entry point.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Application, LogLevel } from 'typedoc';

/** What a program that imports the package gets. */
const ENTRY = 'src/library/index.ts';

export async function writeApi(root, folder) {
  rmSync(folder, { recursive: true, force: true });
  const app = await Application.bootstrapWithPlugins({
    plugin: ['typedoc-plugin-markdown'],
    entryPoints: [join(root, ENTRY)],
    outputs: [{ name: 'markdown', path: folder }],
    tsconfig: join(root, 'src/tsconfig.json'),
    readme: 'none',
    name: 'Library',
    excludeInternal: true,
    excludePrivate: true,
    disableSources: true,
    disableGit: true,
    logLevel: LogLevel.Warn,
    router: 'kind',
    entryFileName: 'index',
    hidePageHeader: true,
    hideBreadcrumbs: true,
    useCodeBlocks: true,
    parametersFormat: 'table',
    interfacePropertiesFormat: 'table',
    classPropertiesFormat: 'table',
    typeDeclarationFormat: 'table',
    enumMembersFormat: 'table',
    expandObjects: false,
    sanitizeComments: true,
    groupOrder: ['Functions', 'Classes', 'Variables', '*'],
    // Whatever has a name for its users has a comment. What types are derived from is not theirs.
    validation: { notDocumented: true, notExported: false, invalidLink: true },
    requiredToBeDocumented: ['Class', 'Function', 'Interface', 'TypeAlias', 'Variable', 'Method', 'Accessor'],
  });
  const project = await app.convert();
  if (project === undefined || app.logger.hasErrors()) throw new Error(`${ENTRY}: typedoc can't read it.`);
  app.validate(project);
  if (app.logger.validationWarningCount > 0) throw new Error(`${ENTRY}: what typedoc says has no comment needs one.`);
  await app.generateOutputs(project);
  if (app.logger.hasErrors()) throw new Error('typedoc has found errors.');
}
