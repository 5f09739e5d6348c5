"""A document as people see it, with the cited characters highlighted: as exact text, rendered, or as pages.

    document, highlights → blocks → text      every character, in order, always
                         → rendered           Markdown as it is meant, if the highlight can be kept exact
                         → pages              the PDF's own page, with boxes on it

The exact text is what the others fall back to: a highlight is either on the
characters that were cited, or it is not shown in that form.
"""
