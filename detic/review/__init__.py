"""Labels for people to look at and to correct, and what they corrected as training data.

``uncertainty`` chooses what to look at first. ``label_studio`` and ``coco_folders`` write what review
tools read, ``contact_sheet`` a page of thumbnails. ``corrections`` reads back what people made of it.
"""
