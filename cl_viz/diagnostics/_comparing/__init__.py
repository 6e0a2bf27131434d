"""Several runs side by side: their quantities, and how alike they are."""
