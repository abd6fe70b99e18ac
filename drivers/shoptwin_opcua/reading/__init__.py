"""Values as they come: by subscription or by polling, gaps filled from history, and batches made of them."""
