"""Look at files that nobody has described, and propose a contract for them with the evidence.

``sampling`` bytes of a file · ``encodings`` ``layout`` how its text is written · ``parts`` files and sheets as they were
looked at · ``dates`` ``numbers`` ``months`` ``facts`` what values show · ``words`` what names mean · ``families`` parts that
are one table · ``matching`` which table, which column · ``details`` returns, flags, attributes, persons · ``money`` currency,
time zone · ``table_drafts`` ``drafting`` ``yaml_text`` the draft. Nothing here is part of a run.
"""
