"""What is wrong between this machine and the service.

```python
from cfai.doctor import examine

for finding in examine():
    print(finding)
```
"""

from cfai.doctor._finding import Finding
from cfai.doctor._health import CHECKS, Check, examine

__all__ = ["CHECKS", "Check", "Finding", "examine"]
