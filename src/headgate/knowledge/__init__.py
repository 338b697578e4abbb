"""Enterprise knowledge: documents of an organisation, searched under the rights of the asker, with cited answers."""
