# SPDX-License-Identifier: MIT
"""Laws on what is written for people: it names all that there is."""

import re
import sys

import csource
from laws import law
from symbols import output_of

CONFIG = 'src/config.c'
DOCUMENTS = ('tools/dftio.1', 'README.md')


@law('every environment variable that the library reads is documented in the manual page and the README', floor=5)
def variables_are_documented(house, findings):
    text = csource.without_comments(house.files[CONFIG])
    variables = {m[1]: csource.line_of(text, m.start()) for m in re.finditer(r'"(DFTIO_[A-Z0-9_]*[A-Z0-9])"', text)}
    findings.look(len(variables))
    for document in DOCUMENTS:
        if document not in house.files:
            findings.offence(document, 'there is no such file', 'write it, with every variable of src/config.c')
            continue
        words = set(re.findall(r'DFTIO_[A-Z0-9_]*[A-Z0-9]', house.files[document].replace('\\', '')))
        for name, line in variables.items():
            if name not in words:
                findings.offence(document, f'does not speak of {name}, which {CONFIG}:{line} reads',
                                 'document it there')


@law('the generated list of intercepted names has every wrapped name', floor=50)
def wrapped_names_are_listed(house, findings):
    target = house.scratch / 'names.md'
    interpose = house.root / 'interpose'
    output_of(sys.executable, str(interpose / 'gen.py'), str(interpose / 'names.txt'), str(target), 'names')
    listed = set(re.findall(r'`(\w+)`', target.read_text(encoding='utf-8').split('\n## ')[0]))
    for name in sorted(house.wrapped):
        findings.look()
        if name not in listed:
            findings.offence(house.manifest_line(name), f'{name} is wrapped, but names.md does not list it',
                             'see that gen_names() in interpose/gen.py writes it')
